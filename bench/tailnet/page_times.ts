/** The times of the page with many grants, seen by the lender's people. */
import { TailnetForward } from "../../tests/fixtures/tailnet_dial.ts";
import { grantOf, type TestCluster } from "../../tests/fixtures/test_operator.ts";
import { poll } from "../../tests/lab/poll.ts";
import { lender, type ServedTailnet, viewer } from "./served_tailnet.ts";

/** Milliseconds. */
export interface PageTimes {
  /** Until the first byte of the page. */
  firstByte: number[];
  /** From the write of a change until each viewer has it. */
  changes: number[];
}

const loads = 200;
const viewers = 50;
const changesEach = 20;

/**
 * Loads the page on a kept connection, then makes changes while 50 streams are open, each as soon as all have the last
 * one. A change is a grant that begins later, and a viewer has it when the number of waiting grants says so.
 */
export async function pageTimes(served: ServedTailnet, cluster: TestCluster): Promise<PageTimes> {
  const { lab, port } = served;
  const times: PageTimes = { firstByte: [], changes: [] };
  await using forward = new TailnetForward(lab.realms[viewer]!.socket, lab.realms[lender]!.ipv4, port);
  let waiting = 0;
  for (let count = 0; count < loads; count++) {
    const startedAt = performance.now();
    const answer = await fetch(`http://127.0.0.1:${forward.port}/`);
    times.firstByte.push(performance.now() - startedAt);
    const text = await answer.text();
    waiting = Number(/, (\d+) waiting,/.exec(text)?.[1] ?? 0);
    if (answer.status !== 200) throw new Error(`${answer.status}: ${text}`);
  }
  let awaited = "";
  let writtenAt = 0;
  const has = new Set<number>();
  const open = (index: number) => {
    let end = "";
    const onText = (text: string) => {
      const all = end + text;
      end = text.slice(-50);
      if (awaited === "" || has.has(index) || !all.includes(awaited)) return;
      has.add(index);
      times.changes.push(performance.now() - writtenAt);
    };
    return served.stream(viewer, "/events", { onText });
  };
  const streams = await Promise.all(Array.from({ length: viewers }, (_, index) => open(index)));
  for (let change = 1; change <= changesEach; change++) {
    has.clear();
    awaited = `, ${waiting + change} waiting,`;
    writtenAt = performance.now();
    await cluster.grants.create(grantOf({
      name: `later-${crypto.randomUUID().slice(0, 8)}`,
      to: "carol-home",
      from: "2999-01-01T00:00:00Z",
    }));
    await poll("all viewers have the change", () => has.size === viewers || `${has.size} of ${viewers} have it`, {
      withinMs: 60_000,
    });
  }
  streams.forEach((stream) => stream.close());
  return times;
}
