/** What users do, step by step, and what they see of it. */
import type { KubernetesObject } from "../../lib/kubernetes/mod.ts";
import type { Grant } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { grants } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { guestNamespace } from "../../src/core/names.ts";
import { grantOf, type GrantTerms } from "../fixtures/test_operator.ts";
import type { FaultStage, Tailnets } from "./fault_stage.ts";

export interface Step {
  /** What somebody does; it is done once. */
  does: (stage: FaultStage) => Promise<unknown>;
  /** What is seen when Keystone has done its part: true, or why not yet. */
  until: (stage: FaultStage) => true | string;
}

/** Names are those of roles: in each plan they are others. The cluster is the realm `alice`. */
export interface Scenario extends Tailnets {
  name: string;
  steps: readonly Step[];
}

/** A grant from alice as a scenario states it; notices are as short as can be. */
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

/** Whether the status of a grant is about its present terms, and says so much. */
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
  return current && same || `Grant ${name} is ${grant ? JSON.stringify(seen) : "not there"}`;
}

/** Looks at all, in order. */
export function all(...looks: (true | string)[]): true | string {
  return looks.find((look) => look !== true) ?? true;
}

/** An object of a guest namespace as it was last seen. */
export function inGuest<T extends KubernetesObject>(
  stage: FaultStage,
  realm: string,
  resource: Parameters<FaultStage["witness"]["get"]>[0],
  name: string,
): T | undefined {
  return stage.witness.get(resource, name, guestNamespace(stage.named(realm))) as T | undefined;
}
