/** Where it happens: a real API server, asked as kubectl asks it, and an operator that is looked at until it is quiet. */
import { isApiError, type KubernetesObject, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { Snapshot } from "../../src/server/snapshot.ts";
import { poll } from "../lab/poll.ts";
import { type ClusterView, comparable, type ViewState } from "./cluster_view.ts";
import { isUnderWay } from "./oracles.ts";
import { type FixtureKind, kinds, localFixture } from "./spec_fixtures.ts";

/** The operator, as it is looked at. */
export interface Watched {
  /** How often it has spoken with the API server, Leases and watches left out. */
  requests: () => number;
  view: () => Snapshot;
  log: readonly string[];
}

/** What the API server says when it takes something not. */
export interface SpecRefusal {
  code: number;
  message: string;
}

/** Universes at one moment. */
export interface HarnessPoll {
  /** As they are. */
  raw: (token: string) => ViewState;
  /** As they can be compared. */
  of: (token: string) => ViewState;
}

/** On the cluster's own realm, which no universe has. */
export const beatAnnotation = "specs.keystone.io/beat";
/** So long nothing happens before it is called quiet. */
const quietMs = 400;
/** So long what is under way is waited for; after that it is told as a fault. */
const patienceMs = 30_000;

export class SpecHarness {
  // The names are free also in a cluster that has seen an earlier campaign.
  #count = Math.floor(Date.now() / 10) % 1_000_000_000;

  constructor(readonly rest: RestClient, readonly view: ClusterView, readonly operator: Watched) {}

  /** The name of a new universe. */
  token(): string {
    return `u${String(this.#count++).padStart(9, "0")}`;
  }

  /** The answer is undefined when it was taken. */
  create(object: KubernetesObject, query: { dryRun?: "All" } = {}): Promise<SpecRefusal | undefined> {
    return this.#ask("POST", pathOf(object.kind as FixtureKind), object, query);
  }

  /** Replaces the spec; undefined takes it away. */
  change(kind: FixtureKind, name: string, spec: unknown): Promise<SpecRefusal | undefined> {
    const change = spec === undefined ? { op: "remove", path: "/spec" } : { op: "replace", path: "/spec", value: spec };
    return this.#ask("PATCH", `${pathOf(kind)}/${name}`, [change], {}, "application/json-patch+json");
  }

  remove(kind: FixtureKind, name: string): Promise<SpecRefusal | undefined> {
    return this.#ask("DELETE", `${pathOf(kind)}/${name}`, {}, {});
  }

  /** All of these one after the other; none may be refused. */
  async createAll(objects: readonly KubernetesObject[]): Promise<void> {
    for (const object of objects) {
      const refusal = await this.create(object);
      if (refusal) throw new Error(`What should be taken is refused: ${refusal.message}`);
    }
  }

  /** Waits until the operator has nothing to do and nothing changes any more; what these universes are then. */
  async quiet(tokens: readonly string[]): Promise<HarnessPoll> {
    const started = performance.now();
    await this.#still(tokens, started);
    // On a busy machine news can be late: what was written after all of it has to be seen first.
    await this.#heard();
    await this.#still(tokens, started);
    const states = this.view.universes(tokens);
    return { raw: (token) => states.get(token)!, of: (token) => comparable(states.get(token)!, token) };
  }

  /** Until the mirror shows a change that is made now. */
  async #heard(): Promise<void> {
    const beat = String(performance.now());
    const path = `${pathOf("Realm")}/${localFixture}`;
    const bodyJson = { metadata: { annotations: { [beatAnnotation]: beat } } };
    await this.rest.performRequest({ method: "PATCH", path, bodyJson, contentType: "application/merge-patch+json" });
    const seen = () => this.view.all()[`Realm /${localFixture}`]?.metadata.annotations?.[beatAnnotation];
    await poll("a change is seen", () => seen() === beat || "not yet", { withinMs: 60_000 });
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
        return "it goes on to write, or the cluster to change";
      }
      const states = this.view.universes(tokens);
      return now - started > patienceMs || !tokens.some((token) => isUnderWay(states.get(token)!)) ||
        "something is under way";
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
