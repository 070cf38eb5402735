/** Open and new connections when a grant is cut and when it ends. */
import { eventually } from "../fixtures/test_operator.ts";
import { addOutsideAddresses } from "../lab/outside.ts";
import { poll } from "../lab/poll.ts";
import { contractNamespace, MOVING } from "./packet_contracts.ts";
import type { LoadEvent, LoadPlace } from "./load.ts";
import { runIn, type RunningProgram } from "./packet_program.ts";
import { ipOf } from "./flows.ts";
import { netexec, type PacketScene } from "./packet_scene.ts";

const NAMESPACE = contractNamespace(MOVING);

const CUT = ["192.0.2.77", "2001:db8:77::1"];
const KEPT = ["203.0.113.77", "2001:db8:77::2"];

export interface CutReport {
  /** Last answer on a new connection, in ms after the change. */
  lastNew: number;
  /** Last answer on an open connection, in ms after the change. */
  lastKept: number;
}

export interface CutsReport {
  cut: CutReport;
  /** Requests to and from places that aren't cut: their number, the unanswered ones, and the last answered ones. */
  undisturbed: { asked: number; unanswered: number } & CutReport;
  /** Time of observation after the cut, in ms. */
  lookedOnMs: number;
  end: { out: CutReport; in: CutReport; podGoneMs: number };
}

/** Time without an answered new connection: longer than a request waits, and long enough to see open ones live on. */
const WHILE_MS = 6_000;

/** Cuts one of two grants under load, waits until no new connection is answered, and then ends both. */
export async function cutsUnderLoad(scene: PacketScene): Promise<CutsReport> {
  const { cluster } = scene;
  await scene.lend(MOVING.name, [{ destinations: CUT }, { destinations: KEPT }]);
  await scene.create(netexec(NAMESPACE, "one"));
  await scene.live();
  const pod = scene.pods.get(`${NAMESPACE}/one`)!;
  await scene.enforced();
  await addOutsideAddresses(scene.outside, MOVING.addresses);

  const out = [...CUT, ...KEPT].map((to): LoadPlace => ({ name: to, to, tcp: 80, udp: 81 }));
  const into = MOVING.addresses.map((from, index): LoadPlace => {
    const to = ipOf(pod, index === 0 ? 4 : 6);
    return { name: "in", to, tcp: 8080, udp: 8081, from };
  });
  await using leaving = runIn(pod.pid, "load.ts", JSON.stringify(out));
  await using entering = runIn(scene.outside, "load.ts", JSON.stringify(into));
  for (const place of [...CUT, ...KEPT, "in"]) {
    for (const kept of [true, false]) {
      for (const protocol of ["TCP", "UDP"]) {
        await poll(`${protocol} of ${place} is answered`, () => {
          const own = eventsOf(place === "in" ? entering : leaving);
          return own.filter((each) => each.place === place && each.kept === kept && each.protocol === protocol)
            .some(({ answered }) => answered) || "no answer yet";
        }, { withinMs: 15_000 });
      }
    }
  }

  const cutAt = Date.now();
  await cluster.grants.patch(`${MOVING.name}-1`, {
    spec: { networkPolicy: { allowedDestinations: ["192.0.2.78"] } },
  }, { type: "merge" });
  const isCut = ({ at, place }: LoadEvent) => at > cutAt && CUT.includes(place);
  const quiet = () => Date.now() - cutAt - reportOf(eventsOf(leaving).filter(isCut), cutAt).lastNew;
  await poll("no new connection has been answered for a while", () => quiet() > WHILE_MS || "there are some", {
    withinMs: 60_000,
  });
  const seen = [...eventsOf(leaving), ...eventsOf(entering)].filter(({ at }) => at > cutAt);
  const cut = reportOf(seen.filter(isCut), cutAt);
  const lookedOnMs = Date.now() - cutAt;
  const other = seen.filter(({ place }) => !CUT.includes(place));

  const endedAt = Date.now();
  for (const nth of [1, 2]) {
    await cluster.grants.patch(`${MOVING.name}-${nth}`, { spec: { revocation: {} } }, { type: "merge" });
  }
  await eventually("the pod is deleted", async () => {
    const { code, stdout } = await scene.lab.kubectl(["get", "pods", `--namespace=${NAMESPACE}`, "--output=name"]);
    return (code === 0 && stdout.trim() === "") || stdout;
  }, 60_000);
  const podGoneMs = Date.now() - endedAt;
  const quietAt = Date.now() + 4_000;
  await poll("pending answers have arrived", () => Date.now() > quietAt || "not yet", { withinMs: 10_000 });
  const after = (program: RunningProgram) => reportOf(eventsOf(program).filter(({ at }) => at > endedAt), endedAt);
  return {
    cut,
    undisturbed: {
      asked: other.length,
      unanswered: other.filter(({ answered }) => !answered).length,
      ...reportOf(other, cutAt),
    },
    lookedOnMs,
    end: { out: after(leaving), in: after(entering), podGoneMs },
  };
}

const eventsOf = ({ lines }: RunningProgram): LoadEvent[] => lines.map((line) => JSON.parse(line) as LoadEvent);

function reportOf(events: readonly LoadEvent[], since: number): CutReport {
  const last = (kept: boolean) =>
    Math.max(0, ...events.filter((each) => each.kept === kept && each.answered).map(({ at }) => at - since));
  return { lastNew: last(false), lastKept: last(true) };
}
