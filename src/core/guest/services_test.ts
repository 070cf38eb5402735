import assert from "node:assert/strict";
import { converged, grant, guestWorld, now, realm, verified } from "../../../tests/fixtures/made_facts.ts";
import type { ServiceFacts } from "../facts.ts";
import { effectsOf } from "../effects.ts";
import { planGuest } from "./plan_guest.ts";
import type { GuestWorld } from "./guest_world.ts";
import { exposedUsage } from "./services.ts";
import { enforcementsOf } from "./enforcements.ts";

const bob = realm({ status: verified("100.64.0.2"), trustedNode: "n1", spec: { trustLevel: "internal" } });
const at = (ms: number): string => new Date(now + ms).toISOString();
const service = (name: string, age: number, usage: Record<string, number>): ServiceFacts => ({
  namespace: "guest-bob-home",
  name,
  uid: `uid-${name}`,
  createdAt: now - age,
  usage,
});
const balancer = (name: string, age: number) =>
  service(name, age, { "services.loadbalancers": 1, "services.nodeports": 1 });
const all = [balancer("old", 3000), service("ports", 2000, { "services.nodeports": 2 }), balancer("new", 1000)];
const hard = { cpu: 1, "services.loadbalancers": 2, "services.nodeports": 4 };
const using = (world: GuestWorld, used: Record<string, string>): GuestWorld => ({
  ...world,
  quota: { ...world.quota!, used: { ...world.quota!.used, ...used } },
});
const inUse = { "services.loadbalancers": "2", "services.nodeports": "4" };
const chosen = (world: GuestWorld): string[] => {
  const plan = planGuest(world);
  return effectsOf(plan, "close").flatMap((write) =>
    "patch" in write && write.patch.kind === "Service" ? [write.patch.name] : []
  ).sort();
};
const active = { phase: "Active" as const };
const terms = { hard, termination: { noticeSeconds: 0 } };
const ending = grant({ spec: { ...terms, validity: { validUntil: at(1000) } } });
const stands = using(converged(guestWorld({ realm: bob, grants: [ending] })), inUse);
const ended = { ...stands, now: now + 1000 };

Deno.test("services: at the end: all exposed Services become internal, whatever the usage", () => {
  assert.deepEqual(planGuest(stands).needsServices, false, "Services aren't listed while they are granted");
  const plan = planGuest(ended);
  assert.deepEqual([plan.needsServices, plan.draining], [true, true]);
  assert.deepEqual(chosen({ ...ended, services: all }), ["new", "old", "ports"]);
  const { quota: _, ...uncounted } = ended;
  assert.deepEqual(chosen({ ...uncounted, quota: undefined, services: all }), ["new", "old", "ports"]);
  const leaving = { ...ended, namespace: { ...ended.namespace!, deleting: true }, services: all };
  assert.deepEqual(chosen(leaving), ["new", "old", "ports"], "also in a namespace in deletion");
  assert.equal(
    planGuest(using(ended, { "services.loadbalancers": "0", "services.nodeports": "0" })).needsServices,
    false,
  );
});

Deno.test("services: Services unknown: the drain isn't reported as finished, and the reason is shown", () => {
  const enforcement = (world: GuestWorld) => enforcementsOf(world, planGuest(world)).get("alice-to-bob")!;
  assert.equal(enforcement({ ...ended, pods: [] }).draining, true);
  const unseen = enforcement({ ...ended, pods: [], servicesError: "services is forbidden." });
  assert.match(unseen.obstacle!.message, /^Its Services can't be listed: services is forbidden\.$/);
  assert.equal(unseen.obstacle!.reason, "ServicesUnknown");
});

const cut = (keys: Record<string, number>) => {
  const given = { "services.loadbalancers": "2", "services.nodeports": "4" };
  const granted = grant({ status: { ...active, hard: given }, spec: terms });
  const world = using(converged(guestWorld({ realm: bob, grants: [granted] })), inUse);
  const less = { ...granted, generation: 2, spec: { ...granted.spec, hard: { ...hard, ...keys } } };
  return { ...world, grants: [less], services: all };
};

Deno.test("services: a reduction: the newest become internal first, until the rest is within the grants", () => {
  assert.deepEqual(chosen(cut({ "services.loadbalancers": 1 })), ["new"]);
  assert.deepEqual(chosen(cut({ "services.loadbalancers": 0 })), ["new", "old"]);
  assert.deepEqual(chosen(cut({ "services.nodeports": 3 })), ["new"]);
  assert.deepEqual(chosen(cut({ "services.nodeports": 1 })), ["new", "ports"]);
  assert.deepEqual(chosen(cut({ "services.nodeports": 0 })), ["new", "old", "ports"]);
  assert.deepEqual(chosen(cut({})), []);
});

Deno.test("services: no end: none is changed, whatever the usage", () => {
  const world = using(converged(guestWorld({ realm: bob, grants: [grant({ status: active })] })), inUse);
  assert.deepEqual(chosen({ ...world, services: all }), []);
  assert.equal(planGuest(world).needsServices, false);
});

Deno.test("services: quota usage of each type", () => {
  const ports = [{ nodePort: 30_001 }, {}];
  assert.equal(exposedUsage({}), undefined);
  assert.equal(exposedUsage({ type: "ClusterIP", ports }), undefined);
  assert.deepEqual(exposedUsage({ type: "NodePort", ports }), { "services.nodeports": 2 });
  const load = (nodePorts: number) => ({ "services.loadbalancers": 1, "services.nodeports": nodePorts });
  assert.deepEqual(exposedUsage({ type: "LoadBalancer", ports }), load(2));
  assert.deepEqual(exposedUsage({ type: "LoadBalancer", ports, allocateLoadBalancerNodePorts: false }), load(1));
  assert.deepEqual(exposedUsage({ type: "LoadBalancer", allocateLoadBalancerNodePorts: false }), load(0));
});
