/** Time during which a new pod reaches addresses that no grant opens: it tries from its first instruction. */
import { addOutsideAddresses, FREE_PORTS } from "../lab/outside.ts";
import { poll } from "../lab/poll.ts";
import { bashPod, importBash } from "./bash_image.ts";
import { contractNamespace, EARLY } from "./packet_contracts.ts";
import { runIn, type RunningProgram } from "./packet_program.ts";
import type { PacketScene } from "./packet_scene.ts";

const NAMESPACE = contractNamespace(EARLY);
/** Addresses that the pods may reach, and others. */
const ALLOWED = ["192.0.2.1", "2001:db8:60::1"];
const DENIED = ["203.0.113.1", "2001:db8:61::1"];

/** Duration of each pod's attempts. */
const TRY_SECONDS = 12;

/** Sends packets with their destination and time every 3 ms, to allowed and denied addresses of both families. */
const SCRIPT = `
exec 2>/dev/null 9<>/dev/udp/127.0.0.1/9
say() { echo "$HOSTNAME $1 $EPOCHREALTIME" >"/dev/udp/$2/${FREE_PORTS.first}"; }
say first ${ALLOWED[0]}
exec 8<>/dev/tcp/${DENIED[0]}/80
say opened ${ALLOWED[0]}
while ((SECONDS < ${TRY_SECONDS})); do
  say allowed4 ${ALLOWED[0]}; say allowed6 ${ALLOWED[1]}; say denied4 ${DENIED[0]}; say denied6 ${DENIED[1]}
  read -t 0.003 -u 9
done
printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' >&8 && read -t 2 -u 8 line && say lives ${ALLOWED[0]}
say last ${ALLOWED[0]}`;

export interface StartGap {
  pod: string;
  /** Time from the first instruction to the last denied packet that passed, in ms; 0 if none did. */
  ipv4: number;
  ipv6: number;
  /** True if a connection opened by the first instructions is still answered after ten seconds. */
  outlives: boolean;
}

/** Measures pods that start one by one, and then some that start together. */
export async function startGaps(scene: PacketScene, { alone, together }: { alone: number; together: number }) {
  await importBash(scene.lab);
  const destinations = ALLOWED.map((ip) => `${ip.includes(":") ? `[${ip}]` : ip}:${FREE_PORTS.first}/udp`);
  await scene.lend(EARLY.name, [{ destinations }]);
  await addOutsideAddresses(scene.outside, [...ALLOWED, ...DENIED]);
  await using listener = runIn(scene.outside, "listener.ts", String(FREE_PORTS.first));
  const start = (name: string) => scene.create(bashPod({ name, namespace: NAMESPACE }, SCRIPT));
  const names = (kind: string, count: number) => Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`);
  const gaps: Record<"alone" | "together", StartGap[]> = { alone: [], together: [] };
  for (const name of names("alone", alone)) {
    await start(name);
    gaps.alone.push(await gapOf(listener, name));
  }
  const group = names("together", together);
  await Promise.all(group.map(start));
  for (const name of group) gaps.together.push(await gapOf(listener, name));
  return gaps;
}

/** Waits until the pod has finished its attempts. */
async function gapOf({ lines }: RunningProgram, pod: string): Promise<StartGap> {
  const told = (kind: string) =>
    lines.filter((line) => line.startsWith(`${pod} ${kind} `)).map((line) => Number(line.split(" ")[2]) * 1000);
  await poll(
    `${pod} has finished, and its allowed packets arrived throughout`,
    () => told("last").length > 0 || `${told("allowed4").length} of its allowed packets have arrived`,
    {
      withinMs: (TRY_SECONDS + 60) * 1000,
    },
  );
  const [first] = told("first");
  const [last] = told("last");
  // Allowed packets have to arrive up to the end; otherwise missing denied ones prove nothing.
  for (const family of ["allowed4", "allowed6"]) {
    const seen = told(family);
    if (first === undefined || !(seen.at(-1)! > last! - 1_000)) {
      throw new Error(
        `${pod}: of what is granted (${family}) the last arrived ${last! - seen.at(-1)!} ms before the end`,
      );
    }
  }
  const until = (kind: string) => Math.max(0, ...told(kind).map((at) => at - first!));
  return { pod, ipv4: until("denied4"), ipv6: until("denied6"), outlives: told("lives").length > 0 };
}
