/** Compares this command's version with the operator's in the cluster, besides what a command does. */
import type { ClosableRestClient, RestClient } from "../../lib/kubernetes/mod.ts";
import { realmOfNamespace } from "../core/names.ts";
import { version } from "../version.ts";
import { workloadOf } from "./operator_workload.ts";

const digits = new Intl.Collator("en", { numeric: true });

/** Compares semantic versions: negative if `a` is older than `b`, 0 if they are alike. */
export function compareVersions(a: string, b: string): number {
  const [[coreA, preA], [coreB, preB]] = [a, b].map((each) => {
    const [core, ...pre] = each.replace(/\+.*$/, "").split("-");
    return [core!, pre.join("-")];
  }) as [[string, string], [string, string]];
  // A release is newer than what led to it.
  return digits.compare(coreA, coreB) || Number(preA === "") - Number(preB === "") || digits.compare(preA, preB);
}

/** Returns the sentence about an operator of another version; undefined if both are alike. */
export function versionNote(operator: string, own = version): string | undefined {
  const order = compareVersions(operator, own);
  if (order === 0) return undefined;
  return `Note: the cluster's operator has version ${operator}, this command ${own}, which is ` +
    (order > 0 ? "older. Update this command." : "newer. Update the operator, or use the command of its version.");
}

/**
 * Asks for the operator's version after the first answer to the command's own requests, when the connection is open and
 * the credentials are known. Nothing waits for it: without an answer before the command ends, nothing is said.
 */
export class VersionHint {
  #isAsked = false;
  #operator: string | undefined;

  /** Returns the client, followed. A guest may not read the operator's workload, so none is asked in their namespace. */
  follow(rest: ClosableRestClient, plain: RestClient): ClosableRestClient {
    const ask = () => {
      if (this.#isAsked || realmOfNamespace(rest.defaultNamespace ?? "") !== undefined) return;
      this.#isAsked = true;
      workloadOf(withoutWarnings(plain), "StatefulSet").then((found) => this.#operator = found?.version, () => {});
    };
    return {
      defaultNamespace: rest.defaultNamespace,
      performRequest: async (options) => {
        const answer = await rest.performRequest(options);
        ask();
        return answer;
      },
      performStream: (options) => rest.performStream(options),
      close: () => rest.close(),
      [Symbol.dispose]: () => rest[Symbol.dispose](),
    };
  }

  /** The sentence about an operator of another version, as far as it is known. */
  get note(): string | undefined {
    return this.#operator === undefined ? undefined : versionNote(this.#operator);
  }
}

const withoutWarnings = (rest: RestClient): RestClient => ({
  defaultNamespace: rest.defaultNamespace,
  performRequest: (options) => rest.performRequest({ ...options, onWarning: () => {} }),
  performStream: (options) => rest.performStream(options),
});
