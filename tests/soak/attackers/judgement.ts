/** The verdict on a run: compares the observations with the limits promised to other guests. Pure functions. */
import type { Times } from "./grant_cycle.ts";

/** Observations of a run. */
export interface JudgedObject {
  /** Grants to others before the attack. */
  before: Times;
  /** Grants to others during the attack. */
  during: Times;
  /**
   * Milliseconds from the revocation of the attacker's own grant to the end of its access; undefined if it didn't end.
   */
  ownEndMs: number | undefined;
  /** Durations of another guest's requests, in ms. */
  requestsMs: number[];
  /** Descriptions of another guest's failed requests. */
  requestsFailed: string[];
  /** Maximum resident memory, in MiB. */
  operatorMiB: number;
  frontMiB: number;
  /** Number of times that the Lease changed its holder. */
  transitions: number;
  /** Exit code after the stop at the end; any other than 0 means that the process ended before. */
  operatorCode: number;
  frontCode: number;
  /** Differences in another guest's objects, one line each. */
  differences: string[];
  /** Descriptions of accepted requests that must never be accepted. */
  breaches: string[];
  /** Number of the attackers' requests and connections to the front. */
  attempts: number;
  connections: number;
  /** Processor time of each part during the attack, in seconds. */
  processor: Record<string, number>;
  /** Maximum size of the API server's database, in MiB. */
  databaseMiB: number;
}

/** Limits that are promised. */
export interface Limits {
  /** Percentage of grants that begin, and end, within `soonMs`. */
  soonPercent: number;
  soonMs: number;
  /** Time within which all of them do. */
  latestMs: number;
  operatorMiB: number;
  frontMiB: number;
  /** Size from which the database may be full at any moment, which is a different attack. */
  databaseMiB: number;
}

/** The promised limits; the front's memory limit is that of its container. */
export const promised: Limits = {
  soonPercent: 95,
  soonMs: 1000,
  latestMs: 3000,
  operatorMiB: 256,
  frontMiB: 384,
  databaseMiB: 2048,
};

/** Returns the nearest rank, a measured value; NaN without samples. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** Returns the percentage of samples within the limit; 0 without samples. */
export const percentWithin = (samples: readonly number[], ms: number): number =>
  samples.length === 0 ? 0 : 100 * samples.filter((sample) => sample <= ms).length / samples.length;

/** Returns a sentence for each broken promise, with the figure, the limit and the remedy. */
export function broken(seen: JudgedObject, limits: Limits, again: string): string[] {
  const { soonPercent, soonMs, latestMs } = limits;
  const found: string[] = [];
  for (const [what, samples] of [["began", seen.during.begun], ["ended", seen.during.ended]] as const) {
    const percent = percentWithin(samples, soonMs);
    if (percent < soonPercent) {
      found.push(
        `Under attack ${
          percent.toFixed(1)
        } % of ${samples.length} grants ${what} within ${soonMs} ms; it must be at least ` +
          `${soonPercent} %. Find the attack: ${again} --only NAME.`,
      );
    }
    const slowest = Math.max(0, ...samples);
    if (slowest > latestMs) {
      found.push(
        `Under attack one grant ${what} after ${slowest} ms; all must within ${latestMs} ms. Find the attack: ` +
          `${again} --only NAME.`,
      );
    }
  }
  const { missed } = seen.during;
  if (missed.length > 0) {
    found.push(
      `${missed.length} grants failed to begin or end, e.g.: ${missed[0]}. See the operator's log below.`,
    );
  }
  if (seen.ownEndMs === undefined || seen.ownEndMs > latestMs) {
    const late = seen.ownEndMs === undefined ? "never" : `${seen.ownEndMs} ms after it was revoked`;
    found.push(
      `The attacker lost access ${late}; it must within ${latestMs} ms. See the operator's log below.`,
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
      } MiB resident; it must stay below ${most} MiB. Find the guests' input that it keeps or ` +
        `reads whole: ${again} --only NAME.`,
    );
  }
  if (seen.transitions !== 0) {
    found.push(
      `The Lease changed its holder ${seen.transitions} times; it must not. See the priority level of the operator's ` +
        `requests in deploy/kustomize/base/priority.yaml.`,
    );
  }
  for (const [what, code] of [["operator", seen.operatorCode], ["front", seen.frontCode]] as const) {
    if (code !== 0) {
      found.push(`The ${what} ended by itself with code ${code}; it must not. See its log below.`);
    }
  }
  if (seen.requestsFailed.length > 0) {
    found.push(
      `${seen.requestsFailed.length} of ${
        seen.requestsMs.length + seen.requestsFailed.length
      } requests of another guest ` +
        `failed, e.g.: ${seen.requestsFailed[0]}. None may: see the guests' priority level in ` +
        `deploy/kustomize/base/priority.yaml.`,
    );
  }
  if (seen.differences.length > 0) {
    found.push(
      `Another guest's objects changed at ${seen.differences.length} places, e.g.: ${seen.differences[0]}. ` +
        `None may change: find the writer in the API server's audit log.`,
    );
  }
  if (seen.breaches.length > 0) {
    found.push(
      `${seen.breaches.length} requests were accepted that must never be, e.g.: ${
        seen.breaches[0]
      }. Add an attack to ` +
        `deploy/guards or tests/hostile that shows it.`,
    );
  }
  if (seen.databaseMiB >= limits.databaseMiB) {
    found.push(
      `The database grew to ${
        seen.databaseMiB.toFixed(0)
      } MiB of ${limits.databaseMiB}: it was full, which is tested by ` +
        `tests/hostile/nospace_test.ts. Write less: ${again} --megabytes N.`,
    );
  }
  const few = 20;
  if (seen.attempts < few * 10 || seen.during.begun.length < few || seen.during.ended.length < few) {
    found.push(
      `Too few samples: ${seen.attempts} requests of attackers, ${seen.during.begun.length} grants that began and ` +
        `${seen.during.ended.length} that ended. Run it longer: ${again} --minutes N.`,
    );
  }
  return found;
}
