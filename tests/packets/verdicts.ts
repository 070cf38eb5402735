/** Sends the flows as packets, and compares the outcomes. */
import { OUTSIDERS } from "./flows.ts";
import { addOutsideAddresses } from "../lab/outside.ts";
import { type Try, tryAll } from "../lab/packets.ts";
import { familyOf, ipOf, type MatrixFlow } from "./flows.ts";
import type { PacketFlow } from "./oracle.ts";
import type { PacketScene } from "./packet_scene.ts";

export interface Verdicts {
  flows: number;
  passed: number;
  /** Flows without an answer whose controls were answered. */
  denied: number;
  /** For each flow, whether it passed; undefined if its controls weren't answered either. */
  outcomes: (boolean | undefined)[];
  /** Flows with an unexpected outcome, and unanswered ones whose controls weren't answered either. */
  disagreements: string[];
}

/** Time limit where an answer is expected, on a busy machine too. */
const PATIENT = { withinMs: 4_000 };
const SHORT = { withinMs: 800 };

/** Tries all flows, and the controls of those that weren't answered. */
export async function verdictsOf(
  scene: PacketScene,
  flows: readonly MatrixFlow[],
  mayPass: (flow: PacketFlow) => boolean,
): Promise<Verdicts> {
  const sources = flows.flatMap(({ source }) => source === undefined ? [] : [source]);
  await addOutsideAddresses(scene.outside, [...new Set([...sources, ...OUTSIDERS])]);
  const expected = flows.map(mayPass);
  const reached = await reach(flows.map((flow) => ({ pid: flow.pid, one: tryOf(flow) })), SHORT);
  const late = indexes(flows, (index) => expected[index]! && !reached[index]!);
  const again = await reach(late.map((index) => ({ pid: flows[index]!.pid, one: tryOf(flows[index]!) })), PATIENT);
  late.forEach((index, at) => reached[index] = again[at]!);

  const silent = indexes(flows, (index) => !expected[index]! && !reached[index]!);
  const controls = silent.map((index) => controlsOf(scene, flows[index]!));
  const answered = await distinct(controls.flat());
  const disagreements = flows.flatMap((flow, index) => {
    if (reached[index] === expected[index]) return [];
    return [`${textOf(flow)} ${expected[index] ? "is denied, though granted" : "passes, though not granted"}`];
  });
  const outcomes: (boolean | undefined)[] = [...reached];
  const unknown = silent.flatMap((index, at) => {
    const mute = controls[at]!.find((control) => !answered.get(keyOf(control)));
    if (!mute) return [];
    outcomes[index] = undefined;
    return [`${textOf(flows[index]!)} is unknown: ${mute.who} isn't answered either`];
  });
  return {
    flows: flows.length,
    passed: reached.filter((each) => each).length,
    denied: silent.length - unknown.length,
    outcomes,
    disagreements: [...disagreements, ...unknown],
  };
}

interface Attempt {
  pid: number;
  one: Try;
}

interface Control extends Attempt {
  who: string;
}

const tryOf = ({ to, port, protocol, via, viaPort, source }: MatrixFlow): Try => ({
  to: via ?? to.ip,
  port: viaPort ?? port,
  protocol,
  ...(source ? { from: source } : {}),
});

/** Returns the controls of a denial: an unrestricted sender to the same target, and the same sender to another target. */
function controlsOf(scene: PacketScene, flow: MatrixFlow): Control[] {
  const one = tryOf(flow);
  const { from: _, ...unbound } = one;
  if (!flow.to.guestOf) return [{ who: "the control", pid: scene.pods.get("elsewhere/control")!.pid, one }];
  const target = scene.pods.get("elsewhere/target")!;
  const elsewhere = { ...one, to: ipOf(target, familyOf(flow.to.ip)), port: flow.port };
  return [
    { who: "the node", pid: scene.node, one: unbound },
    ...(flow.from.guestOf ? [] : [{ who: "the sender elsewhere", pid: flow.pid, one: elsewhere }]),
  ];
}

/** Runs all attempts of a network namespace at once, two namespaces at a time. */
async function reach(attempts: readonly Attempt[], patience: { withinMs: number }): Promise<boolean[]> {
  const byPid = Map.groupBy(attempts.keys(), (index) => attempts[index]!.pid);
  const outcomes: boolean[] = [];
  const queue = [...byPid];
  await Promise.all([1, 2].map(async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [pid, at] = next;
      const some = await tryAll(pid, at.map((index) => attempts[index]!.one), patience);
      at.forEach((index, nth) => outcomes[index] = some[nth]!);
    }
  }));
  return outcomes;
}

/** Returns the outcomes of controls; each is tried once. */
async function distinct(controls: readonly Control[]): Promise<Map<string, boolean>> {
  const all = [...new Map(controls.map((control) => [keyOf(control), control])).values()];
  const outcomes = await reach(all, PATIENT);
  return new Map(all.map((control, index) => [keyOf(control), outcomes[index]!]));
}

const keyOf = ({ pid, one }: Attempt): string => JSON.stringify([pid, one]);

const textOf = ({ name, from, to, port, protocol, via, viaPort }: MatrixFlow): string =>
  `${name} (${from.ip} → ${via ? `${via} ${viaPort} → ` : ""}${to.ip} ${port}/${protocol})`;

const indexes = <T>(all: readonly T[], which: (index: number) => boolean): number[] => [...all.keys()].filter(which);
