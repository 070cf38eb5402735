/** Judgement of a run: the promises to those who are not attacked, held against what was seen. Pure. */
import type { Times } from "./grant_cycle.ts";

/** Facts that a run has seen. */
export interface JudgedObject {
  /** Of grants to others before the attack. */
  before: Times;
  /** Of grants to others during it. */
  during: Times;
  /** From the revocation of the attacker's own grant until he was not let in any more, in ms; undefined if that never came. */
  ownEndMs: number | undefined;
  /** Durations of somebody else's requests, in ms. */
  requestsMs: number[];
  /** Requests of somebody else that failed, in words. */
  requestsFailed: string[];
  /** The most that each had resident, in MiB. */
  operatorMiB: number;
  frontMiB: number;
  /** Number of times that the Lease went to another holder. */
  transitions: number;
  /** Exit codes at the end, as they were stopped: anything but 0 means that it ended before. */
  operatorCode: number;
  frontCode: number;
  /** Places at which what somebody else has differs from what it was, in lines. */
  differences: string[];
  /** Requests that went through and never may, in words. */
  breaches: string[];
  /** Requests of the attackers, and connections to the front. */
  attempts: number;
  connections: number;
  /** Processor time that each part took during the attack, in seconds. */
  processor: Record<string, number>;
  /** The most that the API server's database took, in MiB. */
  databaseMiB: number;
}

/** Bounds of the promises. */
export interface Limits {
  /** So many of a hundred grants begin, and end, within `soonMs`. */
  soonPercent: number;
  soonMs: number;
  /** All do within this. */
  latestMs: number;
  operatorMiB: number;
  frontMiB: number;
  /** Above this the database may be full at any moment, which is another attack. */
  databaseMiB: number;
}

/** Promised bounds; the front's memory is that of its container. */
export const promised: Limits = {
  soonPercent: 95,
  soonMs: 1000,
  latestMs: 3000,
  operatorMiB: 256,
  frontMiB: 384,
  databaseMiB: 2048,
};

/** The nearest rank: a value that was measured; NaN of none. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** Share of the samples within the limit, of a hundred; 0 of none. */
export const percentWithin = (samples: readonly number[], ms: number): number =>
  samples.length === 0 ? 0 : 100 * samples.filter((sample) => sample <= ms).length / samples.length;

/** Each promise that wasn't kept, in a sentence with the figure, the limit and what to do; none when all were. */
export function broken(seen: JudgedObject, limits: Limits, again: string): string[] {
  const { soonPercent, soonMs, latestMs } = limits;
  const found: string[] = [];
  for (const [what, samples] of [["began", seen.during.begun], ["ended", seen.during.ended]] as const) {
    const percent = percentWithin(samples, soonMs);
    if (percent < soonPercent) {
      found.push(
        `Under attack ${percent.toFixed(1)} % of ${samples.length} grants ${what} within ${soonMs} ms; at least ` +
          `${soonPercent} % are to. Narrow down which attack it is: ${again} --only NAME.`,
      );
    }
    const slowest = Math.max(0, ...samples);
    if (slowest > latestMs) {
      found.push(
        `Under attack one grant ${what} after ${slowest} ms; all are to within ${latestMs} ms. Narrow down which attack ` +
          `it is: ${again} --only NAME.`,
      );
    }
  }
  const { missed } = seen.during;
  if (missed.length > 0) {
    found.push(
      `${missed.length} grants came to nothing, the first so: ${missed[0]}. Read what the operator said below.`,
    );
  }
  if (seen.ownEndMs === undefined || seen.ownEndMs > latestMs) {
    const late = seen.ownEndMs === undefined ? "not at all" : `${seen.ownEndMs} ms after it was revoked`;
    found.push(
      `The attacker lost access ${late}; it is to be within ${latestMs} ms. Read what the operator said below.`,
    );
  }
  for (
    const [what, mib, most] of [
      ["operator", seen.operatorMiB, limits.operatorMiB],
      ["front", seen.frontMiB, limits.frontMiB],
    ] as const
  ) {
    if (mib < most) continue;
    found.push(
      `The ${what} had ${
        mib.toFixed(0)
      } MiB resident; it is to stay below ${most} MiB. Find what it keeps or reads whole ` +
        `of what guests write: ${again} --only NAME.`,
    );
  }
  if (seen.transitions !== 0) {
    found.push(
      `The Lease went to another holder ${seen.transitions} times; it is to stay where it is. Look for the seats that ` +
        `requests wait for: deploy/kustomize/base/priority.yaml.`,
    );
  }
  for (const [what, code] of [["operator", seen.operatorCode], ["front", seen.frontCode]] as const) {
    if (code !== 0) {
      found.push(`The ${what} ended with code ${code} by itself; it is never to. Read what it said below.`);
    }
  }
  if (seen.requestsFailed.length > 0) {
    found.push(
      `${seen.requestsFailed.length} of ${
        seen.requestsMs.length + seen.requestsFailed.length
      } requests of another guest ` +
        `failed, the first so: ${seen.requestsFailed[0]}. None is to: see the guests' seats in ` +
        `deploy/kustomize/base/priority.yaml.`,
    );
  }
  if (seen.differences.length > 0) {
    found.push(
      `What another guest has is not what it was, at ${seen.differences.length} places, such as ${
        seen.differences[0]
      }. ` +
        `Nothing of it is to change: find who wrote it in the API server's audit log.`,
    );
  }
  if (seen.breaches.length > 0) {
    found.push(
      `${seen.breaches.length} requests went through that never may, such as: ${seen.breaches[0]}. Add an attack to ` +
        `deploy/guards or tests/hostile that shows it.`,
    );
  }
  if (seen.databaseMiB >= limits.databaseMiB) {
    found.push(
      `The database took ${seen.databaseMiB.toFixed(0)} MiB of ${limits.databaseMiB}: it was full, which ` +
        `tests/hostile/nospace_test.ts is about. Write less: ${again} --megabytes N.`,
    );
  }
  const few = 20;
  if (seen.attempts < few * 10 || seen.during.begun.length < few || seen.during.ended.length < few) {
    found.push(
      `Too little was tried to tell anything: ${seen.attempts} requests of attackers, ${seen.during.begun.length} grants ` +
        `that began and ${seen.during.ended.length} that ended. Let it run longer: ${again} --minutes N.`,
    );
  }
  return found;
}
