/** Dry run: computes the world after its plans have been executed, without a cluster. */
import { type Effect, effectsOf, type ObjectRef, type WrittenObject } from "../effects.ts";
import type { QuotaFacts } from "../facts.ts";
import { accounts } from "./objects/accounts.ts";
import { namespace } from "./objects/namespace.ts";
import { policies } from "./objects/network_policies.ts";
import { type AnyRow, type SingleKey, singles } from "./objects/table.ts";
import { type GuestPlan, planGuest } from "./plan_guest.ts";
import type { GuestWorld } from "./guest_world.ts";
import { givenBy } from "./writes.ts";

/**
 * Returns the world after the first `count` effects of a plan, as an API server would store them.
 *
 * @param counted true if the controller manager has copied the quota's spec into its status
 */
export function afterWrites(world: GuestWorld, plan: GuestPlan, count = Infinity, counted = true): GuestWorld {
  const after = { ...world, policies: [...world.policies] };
  for (const effect of effectsOf(plan).slice(0, count)) {
    const given = givenBy(effect);
    if (given) applied(after, given, counted);
    else if ("delete" in effect) removed(after, effect.delete);
    else if ("evict" in effect) after.pods = after.pods?.filter(({ name }) => name !== effect.evict.name);
    else if ("patch" in effect && after.services) {
      after.services = after.services.filter(({ uid }) => uid !== effect.patch.uid);
    } else if ("deleteAll" in effect && after.quota) {
      after.quota = { ...after.quota, used: { ...after.quota.used, persistentvolumeclaims: "0" } };
    }
  }
  return after;
}

/** Plans and executes until no effect is left. Returns all writes and the final world. */
export function dryRun(world: GuestWorld): { writes: Effect[]; world: GuestWorld } {
  const writes: Effect[] = [];
  for (let round = 0; round < mostRounds; round++) {
    const plan = planGuest(world);
    if (plan.stages.length === 0) return { writes, world };
    writes.push(...effectsOf(plan));
    world = afterWrites(world, plan);
  }
  throw new Error("The plans don't converge.");
}

const mostRounds = 10;

function removed(after: GuestWorld, { kind, name, uid }: ObjectRef): void {
  const single = singleOf(kind, name);
  if (single) setSingle(after, single[0], undefined);
  else if (kind === "NetworkPolicy") after.policies = after.policies.filter((policy) => policy.name !== name);
  else if (kind === "Pod") after.pods = after.pods?.filter((pod) => pod.name !== name);
  else if (kind === "ServiceAccount") after.accounts = after.accounts!.filter((account) => account.uid !== uid);
  else after.namespace = { ...after.namespace!, deleting: true };
}

const singleOf = (kind: string | undefined, name: string) =>
  singles.find(([, row]) => row.resource.kind === kind && row.name === name);

/** Sets the facts of a kind; their type is known only to its row. */
const setSingle = (after: GuestWorld, key: SingleKey, facts: unknown): void =>
  void Object.assign(after, { [key]: facts });

function applied(after: GuestWorld, written: WrittenObject, counted: boolean): void {
  const name = written.metadata!.name!;
  const object = { ...written, metadata: { ...written.metadata, uid: `uid-${name}` } };
  const single = singleOf(object.kind, name);
  if (single) {
    const [key, row] = single;
    const { quota } = after;
    setSingle(after, key, (row as AnyRow).project(object));
    if (key === "quota") after.quota = withStatus(after.quota!, quota, counted);
  } else if (object.kind === "NetworkPolicy") {
    after.policies = after.policies.filter((policy) => policy.name !== name).concat(policies.project(object));
  } else if (object.kind === "ServiceAccount") {
    const account = { ...accounts.project(object), createdAt: after.now };
    after.accounts = (after.accounts ?? []).concat(account);
  } else if (object.kind === "Namespace") {
    const createdAt = after.namespace?.createdAt ?? after.now;
    after.namespace = { ...namespace.project(object), createdAt, deleting: false };
  }
}

/** Returns the quota with the controller manager's new or previous status. */
const withStatus = (quota: QuotaFacts, before: QuotaFacts | undefined, counted: boolean): QuotaFacts => ({
  ...quota,
  statusHard: counted ? quota.specHard : before?.statusHard ?? {},
  used: counted
    ? Object.fromEntries(Object.keys(quota.specHard).map((key) => [key, before?.used[key] ?? "0"]))
    : before?.used ?? {},
});
