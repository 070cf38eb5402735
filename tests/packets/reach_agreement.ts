/** Agreement of `keystone can-reach` with packets: of its judgement with the matrix, and of its answers with connections by name. */
import assert from "node:assert/strict";
import { ReachObserver } from "../../src/cli/can_reach/reach_observer.ts";
import { judgeReach, type ReachAnswer } from "../../src/core/reach/reach_answer.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { clientOf } from "../fixtures/test_operator.ts";
import type { MatrixFlow } from "./flows.ts";
import type { PacketScene } from "./packet_scene.ts";
import { type NamedFlow, namedFlows, removeUnready } from "./reach_services.ts";

export interface Agreement {
  /** Flows with an answer. */
  judged: number;
  /** Flows that are not judged. */
  unjudged: string[];
  disagreements: string[];
}

/** A flow of the matrix, and whether it passed; undefined if that isn't known. */
export interface SeenFlow {
  flow: MatrixFlow;
  passed: boolean | undefined;
}

/** Compares the judgement about each flow of a pod with what happened to its packets. */
export async function agreementWith(scene: PacketScene, seen: readonly SeenFlow[]): Promise<Agreement> {
  using rest = await clientOf(scene.lab.kubeconfig);
  const observer = new ReachObserver(rest, () => Promise.resolve({ value: [] }));
  const senders = new Map([...scene.pods.values()].map((pod) => [pod.pid, pod]));
  const agreement: Agreement = { judged: 0, unjudged: [], disagreements: [] };
  for (const { flow, passed } of seen) {
    const sender = senders.get(flow.pid);
    if (!sender || passed === undefined) continue;
    const { namespace, name: source } = sender;
    const destination = destinationText(flow);
    const { answer } = await observer.judge((facts) => judgeReach(facts, { namespace, source, destination }));
    add(agreement, answer, passed, `${flow.name} (${destination})`);
  }
  return agreement;
}

type Verdict = Pick<ReachAnswer, "allowed" | "message">;

function add(agreement: Agreement, { allowed, message }: Verdict, passed: boolean, name: string): void {
  const text = `${name} ${passed ? "passes" : "doesn't pass"}: ${message}`;
  if (allowed === null) agreement.unjudged.push(text);
  else agreement.judged++;
  if (allowed === !passed) agreement.disagreements.push(text);
}

/** Formats the address that the packets are sent to, as somebody asks about it. */
function destinationText({ to, via = to.ip, port, viaPort = port, protocol }: MatrixFlow): string {
  return `${via.includes(":") ? `[${via}]` : via}:${viaPort}/${protocol.toLowerCase()}`;
}

/** Connects to each name from its pod, with the pod's own resolver, and compares with the command's answer. */
export async function agreementByName(scene: PacketScene): Promise<Agreement> {
  const agreement: Agreement = { judged: 0, unjudged: [], disagreements: [] };
  const queue = await namedFlows(scene);
  await using _ = { [Symbol.asyncDispose]: () => removeUnready(scene) };
  await Promise.all([1, 2, 3, 4].map(async () => {
    for (let flow = queue.shift(); flow; flow = queue.shift()) {
      const { realm, destination } = flow;
      const [passed, said] = await Promise.all([
        isConnected(scene, flow),
        keystone(scene.lab.kubeconfig, ["can-reach", "one", destination, "--realm", realm, "-o", "json"]),
      ]);
      assert.notEqual(said.out, "", `${realm} → ${destination}: ${said.err}`);
      add(agreement, said.json(), passed, `${realm} → ${destination}`);
    }
  }));
  return agreement;
}

async function isConnected({ lab }: PacketScene, { realm, destination }: NamedFlow): Promise<boolean> {
  const { code } = await lab.kubectl([
    ...["exec", "one", `--namespace=guest-${realm}`, "--"],
    ...["/agnhost", "connect", destination, "--timeout=2s"],
  ]);
  return code === 0;
}
