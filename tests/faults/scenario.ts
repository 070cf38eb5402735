/** Scenarios: users' actions, step by step, and the states that they wait for. */
import type { KubernetesObject } from "../../lib/kubernetes/mod.ts";
import type { Grant } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { grants } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { guestNamespace } from "../../src/core/names.ts";
import { grantOf, type GrantTerms } from "../fixtures/test_operator.ts";
import type { FaultStage, Tailnets } from "./fault_stage.ts";

export interface Step {
  /** A user's action, performed once. */
  does: (stage: FaultStage) => Promise<unknown>;
  /** Returns true when Keystone has done its part, else the reason to wait. */
  until: (stage: FaultStage) => true | string;
}

/** A scenario. Its names are roles: each plan has other names. The local realm is `alice`. */
export interface Scenario extends Tailnets {
  name: string;
  steps: readonly Step[];
}

/** Creates a grant from alice with the scenario's terms and the shortest notice. */
export function lent(stage: FaultStage, terms: GrantTerms): Promise<Grant> {
  return stage.cluster.grants.create(grantOf({
    grantor: stage.named("alice"),
    termination: { noticeSeconds: 1, drainSeconds: 1 },
    ...terms,
    name: stage.named(terms.name),
    to: stage.named(terms.to),
  }));
}

export function changed(stage: FaultStage, grant: string, spec: Record<string, unknown>): Promise<Grant> {
  return stage.cluster.grants.patch(stage.named(grant), { spec }, { type: "merge" });
}

/** Returns true if the grant's status is about its present terms and has these values, else its state. */
export function grantIs(
  stage: FaultStage,
  name: string,
  wanted: { phase?: string; ready?: boolean; draining?: string; cpu?: string },
): true | string {
  const grant = stage.witness.get(grants, stage.named(name));
  const { phase, observedGeneration, conditions = [], hard } = grant?.status ?? {};
  const condition = (type: string) => conditions.find((each) => each.type === type);
  const seen = {
    phase,
    ready: condition("Ready")?.status === "True",
    draining: condition("Draining")?.reason,
    cpu: hard?.["requests.cpu"],
  };
  const same = Object.entries(wanted).every(([key, value]) => seen[key as keyof typeof seen] === value);
  const current = observedGeneration !== undefined && observedGeneration === grant!.metadata!.generation;
  return current && same || `Grant ${name} is ${grant ? JSON.stringify(seen) : "missing"}`;
}

/** Returns the first state that isn't reached, else true. */
export function all(...looks: (true | string)[]): true | string {
  return looks.find((look) => look !== true) ?? true;
}

/** Returns an object of a guest namespace in its last seen state. */
export function inGuest<T extends KubernetesObject>(
  stage: FaultStage,
  realm: string,
  resource: Parameters<FaultStage["witness"]["get"]>[0],
  name: string,
): T | undefined {
  return stage.witness.get(resource, name, guestNamespace(stage.named(realm))) as T | undefined;
}
