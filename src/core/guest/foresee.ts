/** What a world becomes by the plans for it: foretold, without a cluster. */
import { type Effect, effectsOf, type ObjectRef, type WrittenObject } from "../effects.ts";
import { cordonAnnotation, provisioningClassesAnnotation } from "../names.ts";
import { type GuestPlan, planGuest } from "./plan.ts";
import type { GuestWorld } from "./world.ts";
import { givenBy } from "./writes.ts";

/**
 * The world after the first `count` effects of a plan have been made, as an API server would store them.
 *
 * @param counted whether the controller manager has put the quota's spec into its status
 */
export function afterWrites(world: GuestWorld, plan: GuestPlan, count = Infinity, counted = true): GuestWorld {
  const after = { ...world, policies: [...world.policies] };
  for (const effect of effectsOf(plan).slice(0, count)) {
    const given = givenBy(effect);
    if (given) applied(after, given, counted);
    else if ("delete" in effect) removed(after, effect.delete);
    else if ("evict" in effect) after.pods = after.pods?.filter(({ name }) => name !== effect.evict.name);
    else if ("patch" in effect) after.services = after.services?.filter(({ uid }) => uid !== effect.patch.uid);
    else if ("deleteAll" in effect && after.quota) {
      after.quota = { ...after.quota, used: { ...after.quota.used, persistentvolumeclaims: "0" } };
    }
  }
  return after;
}

/** Planning and carrying out until nothing is left to do: all writes on the way, and where it ends. */
export function foresee(world: GuestWorld): { writes: Effect[]; world: GuestWorld } {
  const writes: Effect[] = [];
  for (let round = 0; round < mostRounds; round++) {
    const plan = planGuest(world);
    if (plan.stages.length === 0) return { writes, world };
    writes.push(...effectsOf(plan));
    world = afterWrites(world, plan);
  }
  throw new Error("The plans don't come to an end.");
}

const mostRounds = 10;

function removed(after: GuestWorld, { kind, name, uid }: ObjectRef): void {
  if (kind === "ResourceQuota") after.quota = undefined;
  else if (kind === "ConfigMap") after.guide = undefined;
  else if (kind === "RoleBinding") after.binding = undefined;
  else if (kind === "NetworkPolicy") after.policies = after.policies.filter((policy) => policy.name !== name);
  else if (kind === "Pod") after.pods = after.pods?.filter((pod) => pod.name !== name);
  else if (kind === "ServiceAccount") after.accounts = after.accounts!.filter((account) => account.uid !== uid);
  else after.namespace = { ...after.namespace!, deleting: true };
}

function applied(after: GuestWorld, object: WrittenObject, counted: boolean): void {
  const { name, namespace, labels, annotations } = object.metadata!;
  const common = { name: name!, namespace: namespace!, uid: `uid-${name}`, labels: labels! };
  const createdAt = after.namespace?.createdAt ?? after.now;
  switch (object.kind) {
    case "Namespace":
      after.namespace = { ...common, annotations: annotations ?? {}, createdAt, deleting: false };
      return;
    case "ResourceQuota": {
      const { quota } = after;
      const asked = object.spec!.hard as Record<string, string>;
      const { [cordonAnnotation]: cordon, [provisioningClassesAnnotation]: provisioningClasses } = annotations ?? {};
      after.quota = {
        ...common,
        ...(cordon === undefined ? {} : { cordon }),
        ...(provisioningClasses === undefined ? {} : { provisioningClasses }),
        asked,
        scoped: false,
        enforced: counted ? asked : quota?.enforced ?? {},
        used: counted
          ? Object.fromEntries(Object.keys(asked).map((key) => [key, quota?.used[key] ?? "0"]))
          : quota?.used ?? {},
      };
      return;
    }
    case "LimitRange":
      after.limitRange = { ...common, limits: object.spec!.limits };
      return;
    case "ServiceAccount":
      after.serviceAccount = { ...common, automount: object.automountServiceAccountToken };
      return;
    case "RoleBinding":
      after.binding = {
        ...common,
        roleRef: object.roleRef,
        subjects: object.subjects!,
        account: annotations!["keystone.io/account"]!,
      };
      return;
    case "ConfigMap":
      after.guide = { ...common, data: object.data! };
      return;
    case "NetworkPolicy":
      after.policies = after.policies.filter((policy) => policy.name !== name).concat({
        ...common,
        spec: object.spec!,
        ours: true,
      });
      return;
  }
}
