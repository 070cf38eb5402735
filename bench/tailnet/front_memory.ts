/** The front's memory for open streams, on a real node. */
import { installed } from "../../tests/fixtures/in_force.ts";
import { grantOf, prepared, realmOf } from "../../tests/fixtures/test_operator.ts";
import { build } from "../../tests/lab/build.ts";
import { startLab } from "../../tests/lab/lab.ts";
import { writeImage } from "../../tests/lab/lab_image.ts";
import { restrictedSpec } from "../../tests/lab/lab_workloads.ts";
import { memoryAtRest } from "../processes.ts";
import { lender, ServedTailnet } from "./served_tailnet.ts";
import type { EfficiencyRun } from "../efficiency.ts";

/** Resident memory of the front in MB: at rest, with the streams open, and the difference. */
export type FrontMemory = Record<"atRest" | "open" | "more", number>;

const watches = 200;
const execs = 50;
const guest = "bob-home";
const image = "registry.example/pod-programs:1";

/** Measures a new front each round, at rest and then with 200 watches and 50 execs of one guest. */
export async function frontMemory({ rounds, say }: EfficiencyRun): Promise<FrontMemory[]> {
  await using lab = await startLab({ node: true, realms: [lender, guest] });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const { agnhost, cat } = await build(["node", "pod-programs"]);
  writeImage(`${lab.dir}/programs.tar`, { names: [image], program: agnhost!, others: [cat!] });
  await lab.importImages(`${lab.dir}/programs.tar`);
  await cluster.realms.create(realmOf(guest));
  const hard = { "requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "2", "limits.memory": "1Gi" };
  await cluster.grants.create(grantOf({ name: "to-bob", to: guest, hard }));
  const memory: FrontMemory[] = [];
  for (let round = 1; round <= rounds; round++) {
    await using served = await ServedTailnet.start(lab);
    await served.serves(guest);
    if (round === 1) await runPod(lab);
    const front = await served.frontPid();
    // Everything is loaded once before it is at rest.
    const first = [...await served.watches(1, guest), await exec(served)];
    first.forEach((stream) => stream.close());
    const { now: atRest } = await memoryAtRest(front);
    const streams = await served.watches(watches, guest);
    while (streams.length < watches + execs) streams.push(await exec(served));
    const { now: open } = await memoryAtRest(front);
    const ended = streams.filter(({ endedAt }) => endedAt !== undefined).length;
    if (ended > 0) throw new Error(`${ended} of ${streams.length} streams have ended.`);
    streams.forEach((stream) => stream.close());
    memory.push({ atRest, open, more: open - atRest });
    say(`memory, round ${round} of ${rounds}`);
  }
  return memory;
}

/** Runs the guest's pod, which execs use. */
async function runPod(lab: ServedTailnet["lab"]): Promise<void> {
  const works = async (args: string[], stdin?: string) => {
    const options = { timeoutMs: 200_000, ...(stdin === undefined ? {} : { stdin }) };
    const { code, stderr } = await lab.kubectl([...args, `--namespace=guest-${guest}`], options);
    if (code !== 0) throw new Error(stderr);
  };
  const resources = { requests: { cpu: "10m", memory: "64Mi" }, limits: { cpu: "1", memory: "512Mi" } };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "box" },
    spec: restrictedSpec({ image, args: ["netexec"], resources }),
  };
  await works(["create", "-f", "-"], JSON.stringify(pod));
  await works(["wait", "pod/box", "--for=condition=Ready", "--timeout=180s"]);
}

/** Opens an exec by WebSocket that waits for input. */
async function exec(served: ServedTailnet) {
  const path = `/k8s/${guest}/api/v1/namespaces/guest-${guest}/pods/box/exec?command=/cat&stdin=true&stdout=true`;
  const stream = await served.stream(guest, path, {
    headers: {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
    },
  });
  if (!/^HTTP\/1.1 101 /.test(stream.first)) throw new Error(`An exec was refused: ${stream.first}`);
  return stream;
}
