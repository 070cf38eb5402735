/** The time from a grant's end until the last of its guest's streams is cut. */
import type { TailnetStream } from "../../tests/fixtures/tailnet_guests.ts";
import { secondsFromNow, type TestCluster } from "../../tests/fixtures/test_operator.ts";
import { poll } from "../../tests/lab/poll.ts";
import type { ServedTailnet } from "./served_tailnet.ts";

const streams = 1000;
const others = 100;

/**
 * Ends bob-home's only grant by its `validUntil` while 1,000 of its watches are open. Returns the milliseconds until the
 * client has seen the last one end.
 *
 * @throws if a stream ends before the grant, or if one of another realm doesn't go on
 */
export async function lastCut(served: ServedTailnet, cluster: TestCluster, grant: string): Promise<number> {
  const carols = await served.watches(others, "carol-home");
  const bobs = await served.watches(streams, "bob-home");
  const end = secondsFromNow(10);
  await cluster.grants.patch(grant, { spec: { validity: { validUntil: end.text } } }, { type: "merge" });
  await poll("all streams are cut", () => {
    const open = bobs.filter(({ endedAt }) => endedAt === undefined).length;
    return open === 0 || `${open} of ${streams} are open`;
  }, { withinMs: 120_000 });
  const ends = bobs.map(({ endedAt }) => endedAt! + performance.timeOrigin - end.at);
  if (Math.min(...ends) < -50) throw new Error(`A stream was cut ${-Math.min(...ends)} ms before the grant's end.`);
  await goOn(served, carols);
  carols.forEach((stream) => stream.close());
  return Math.max(...ends);
}

/** Waits until all streams of carol-home have a new event. */
async function goOn({ lab }: ServedTailnet, carols: readonly TailnetStream[]): Promise<void> {
  const name = `mark-${crypto.randomUUID().slice(0, 8)}`;
  const { code, stderr } = await lab.kubectl(["create", "configmap", name, "--namespace=guest-carol-home"]);
  if (code !== 0) throw new Error(stderr);
  await poll("the streams of carol-home have the event", () => {
    const without = carols.filter(({ text }) => !text.includes(name)).length;
    return without === 0 || `${without} of ${carols.length} don't have it`;
  }, { withinMs: 60_000 });
}
