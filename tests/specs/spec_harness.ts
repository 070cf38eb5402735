/** The harness: a real API server, used as kubectl uses it, and an operator that is observed until it is idle. */
import { isApiError, type KubernetesObject, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { Snapshot } from "../../src/server/snapshot.ts";
import { poll } from "../lab/poll.ts";
import { type ClusterView, comparable, type ViewState } from "./cluster_view.ts";
import { isUnderWay } from "./oracles.ts";
import { type FixtureKind, kinds, localFixture } from "./spec_fixtures.ts";

/** The observed operator. */
export interface Watched {
  /** Returns the number of its requests to the API server, without Leases and watches. */
  requests: () => number;
  view: () => Snapshot;
  log: readonly string[];
}

/** The API server's refusal. */
export interface SpecRefusal {
  code: number;
  message: string;
}

/** The fixtures at one moment. */
export interface HarnessPoll {
  /** Returns them unchanged. */
  raw: (token: string) => ViewState;
  /** Returns them in comparable form. */
  of: (token: string) => ViewState;
}

/** On the local realm, which belongs to no fixtures. */
export const beatAnnotation = "specs.keystone.io/beat";
/** Time without activity after which the operator counts as idle. */
const quietMs = 400;
/** Time limit for changes in progress; after that they are reported as faults. */
const patienceMs = 30_000;

export class SpecHarness {
  // Names that are also free in a cluster with the remains of an earlier campaign.
  #count = Math.floor(Date.now() / 10) % 1_000_000_000;

  constructor(readonly rest: RestClient, readonly view: ClusterView, readonly operator: Watched) {}

  /** Returns the name of new fixtures. */
  token(): string {
    return `u${String(this.#count++).padStart(9, "0")}`;
  }

  /** Returns undefined when the object was accepted. */
  create(object: KubernetesObject, query: { dryRun?: "All" } = {}): Promise<SpecRefusal | undefined> {
    return this.#ask("POST", pathOf(object.kind as FixtureKind), object, query);
  }

  /** Replaces the spec; undefined removes it. */
  change(kind: FixtureKind, name: string, spec: unknown): Promise<SpecRefusal | undefined> {
    const change = spec === undefined ? { op: "remove", path: "/spec" } : { op: "replace", path: "/spec", value: spec };
    return this.#ask("PATCH", `${pathOf(kind)}/${name}`, [change], {}, "application/json-patch+json");
  }

  remove(kind: FixtureKind, name: string): Promise<SpecRefusal | undefined> {
    return this.#ask("DELETE", `${pathOf(kind)}/${name}`, {}, {});
  }

  /** Creates all of these, one after another; throws when one is refused. */
  async createAll(objects: readonly KubernetesObject[]): Promise<void> {
    for (const object of objects) {
      const refusal = await this.create(object);
      if (refusal) throw new Error(`A valid object was refused: ${refusal.message}`);
    }
  }

  /** Waits until the operator is idle and nothing changes any more; returns the fixtures then. */
  async quiet(tokens: readonly string[]): Promise<HarnessPoll> {
    const started = performance.now();
    await this.#still(tokens, started);
    // On a busy machine watch events can be late: first wait for a change that is written after all others.
    await this.#heard();
    await this.#still(tokens, started);
    const states = this.view.universes(tokens);
    return { raw: (token) => states.get(token)!, of: (token) => comparable(states.get(token)!, token) };
  }

  /** Waits until the cluster view has a change that is made now. */
  async #heard(): Promise<void> {
    const beat = String(performance.now());
    const path = `${pathOf("Realm")}/${localFixture}`;
    const bodyJson = { metadata: { annotations: { [beatAnnotation]: beat } } };
    await this.rest.performRequest({ method: "PATCH", path, bodyJson, contentType: "application/merge-patch+json" });
    const seen = () => this.view.all()[`Realm /${localFixture}`]?.metadata.annotations?.[beatAnnotation];
    await poll("the cluster view has the last change", () => seen() === beat || "not yet", { withinMs: 60_000 });
  }

  async #still(tokens: readonly string[], started: number): Promise<void> {
    let [heard, since] = [-1, 0];
    await poll("the operator is quiet", () => {
      const now = performance.now();
      const requests = this.operator.requests();
      if (requests !== heard) [heard, since] = [requests, now];
      const due = Object.entries(this.operator.view().queues).filter(([, { depth }]) => depth > 0);
      if (due.length > 0) return `${due.map(([name, { depth }]) => `${depth} ${name}`).join(", ")} are due`;
      if (now - Math.max(since, this.view.changedAt) < quietMs) {
        return "the operator still writes, or the cluster still changes";
      }
      const states = this.view.universes(tokens);
      return now - started > patienceMs || !tokens.some((token) => isUnderWay(states.get(token)!)) ||
        "a change is in progress";
    }, { withinMs: 120_000, everyMs: 100 });
  }

  async #ask(
    method: "POST" | "PATCH" | "DELETE",
    path: string,
    bodyJson: unknown,
    query: Record<string, string>,
    contentType = "application/json",
  ): Promise<SpecRefusal | undefined> {
    const querystring = new URLSearchParams(method === "DELETE" ? query : { fieldValidation: "Strict", ...query });
    try {
      await this.rest.performRequest({ method, path, querystring, bodyJson, contentType });
      return undefined;
    } catch (error) {
      if (!isApiError(error)) throw error;
      return { code: error.code, message: error.message };
    }
  }
}

const pathOf = (kind: FixtureKind): string => `/apis/keystone.io/v1alpha1/${kinds[kind].resource.plural}`;
