import assert from "node:assert/strict";
import fc from "fast-check";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { derivedCounts, ownCounts } from "./counts.ts";
import {
  allot,
  type Claim,
  classesToTell,
  closedList,
  completeList,
  freezeList,
  listFrom,
  quantitiesOf,
  quotaList,
  shown,
  sumLists,
} from "./quota_lists.ts";

const amount = fc.tuple(fc.nat(1_000_000), fc.constantFrom("", "m", "Ki", "Gi", "M", "E-3")).map(([value, suffix]) =>
  suffix === "E-3" ? `${value}e-3` : `${value}${suffix}`
);
const hard = fc.dictionary(fc.constantFrom("cpu", "requests.memory", "pods", "requests.nvidia.com/gpu"), amount);

Deno.test("hard: cpu, memory and ephemeral-storage mean requests", () => {
  assert.deepEqual(shown(listFrom({ memory: "1024Mi", cpu: 1.5, "limits.cpu": "0.5", "ephemeral-storage": "1Gi" })), {
    "limits.cpu": "500m",
    "requests.cpu": "1500m",
    "requests.ephemeral-storage": "1Gi",
    "requests.memory": "1Gi",
  });
});

Deno.test("hard: a quantity finer than a quota permits: rounded up", () => {
  assert.deepEqual(shown(listFrom({ cpu: "1u" })), { "requests.cpu": "1m" });
});

Deno.test("hard: a sum is exact and doesn't depend on the order", () => {
  fc.assert(fc.property(fc.array(hard, { maxLength: 6 }), (all) => {
    const sum = sumLists(all.map(listFrom));
    const other = sumLists([...all].reverse().map(listFrom));
    assert.deepEqual([...sum.keys()].sort(), [...other.keys()].sort());
    for (const [key, quantity] of sum) {
      assert.equal(quantity.compare(other.get(key)!), 0);
      const rest = all.map(listFrom).reduce(
        (left, each) => each.has(key) ? left.subtract(each.get(key)!) : left,
        quantity,
      );
      assert.equal(rest.sign(), 0);
    }
  }));
});

const unnamed = { pods: 50, objects: 100, history: 10, ephemeralStorage: "20Gi" };
const complete = (named: Record<string, string>, classes: string[] = []) =>
  shown(completeList(listFrom(named), unnamed, classes));

Deno.test("hard: keys that a grant doesn't name: zero, except for the defaults", () => {
  const whole = complete({ "requests.cpu": "2", "limits.memory": "8Gi", "requests.nvidia.com/gpu": "1" });
  assert.deepEqual(
    Object.fromEntries(Object.entries(whole).filter(([key]) => !ownCounts.includes(key))),
    {
      "count/controllerrevisions.apps": "2400",
      "count/jobs.batch": "2300",
      "count/pods": "200",
      "count/replicasets.apps": "1300",
      "count/resourceclaims.resource.k8s.io": "0",
      "limits.cpu": "2",
      "limits.ephemeral-storage": "20Gi",
      "limits.memory": "8Gi",
      pods: "50",
      "requests.cpu": "2",
      "requests.ephemeral-storage": "20Gi",
      "requests.memory": "8Gi",
      "requests.nvidia.com/gpu": "1",
      "requests.storage": "0",
      "services.loadbalancers": "0",
      "services.nodeports": "0",
    },
  );
  for (const key of ownCounts) assert.equal(whole[key], "100");
  assert.equal(complete({ "limits.cpu": "4" })["requests.memory"], "0");
  assert.equal(complete({ pods: "3", secrets: "1" }).pods, "3");
});

Deno.test("hard: derived counts fit the controllers' objects for all granted owners; a named count is kept", () => {
  const whole = complete({
    pods: "5",
    "count/cronjobs.batch": "2",
    "count/statefulsets.apps": "3",
    "count/daemonsets.apps": "0",
  });
  assert.deepEqual(derivedCounts.map((key) => whole[key]), ["36", "144", "110", "1300"]);
  assert.equal(complete({ "count/replicasets.apps": "7" })["count/replicasets.apps"], "7");
  assert.equal(complete({ "count/pods": "7", pods: "50" })["count/pods"], "7");
  const two = sumLists(
    [{ "count/deployments.apps": "1" }, { "count/deployments.apps": "4" }].map((named) =>
      completeList(listFrom(named), unnamed, [])
    ),
  );
  assert.equal(two.get("count/replicasets.apps")!.toString(), String(2 * 100 + 5 * 12), "grants add up");
});

Deno.test("hard: a key that only another grant names: gets its default instead of zero", () => {
  const reported = (named: Record<string, string>, ...keys: string[]) =>
    shown(completeList(listFrom(named), unnamed, [], keys));
  assert.equal(reported({ cpu: "1" }, "count/widgets.example.com")["count/widgets.example.com"], "100");
  const claims = "fast.storageclass.storage.k8s.io/persistentvolumeclaims";
  assert.equal(reported({ persistentvolumeclaims: "7" }, claims)[claims], "7");
  assert.equal(reported({ cpu: "1" }, "requests.nvidia.com/gpu")["requests.nvidia.com/gpu"], "0");
  assert.equal(
    reported({ "count/widgets.example.com": "2" }, "count/widgets.example.com")["count/widgets.example.com"],
    "2",
  );
});

Deno.test("hard: both spellings of a resource: one limit, the lower", () => {
  assert.deepEqual(shown(listFrom({ "count/services": "2", services: "5" })), { services: "2" });
  assert.deepEqual(shown(listFrom({ "count/secrets": "9" })), { secrets: "9" });
  assert.deepEqual(shown(listFrom({ "count/pods": "9" })), { "count/pods": "9" }, "it counts finished ones too");
});

Deno.test("hard: storage by class if a grant names one, else of any class", () => {
  const key = (name: string) => `${name}.storageclass.storage.k8s.io/requests.storage`;
  const one = complete({ [key("fast")]: "10Gi" }, ["fast", "slow"]);
  assert.deepEqual([one["requests.storage"], one[key("fast")], one[key("slow")]], ["10Gi", "10Gi", "0"]);
  const any = complete({ "requests.storage": "5Gi" }, ["fast", "slow"]);
  assert.deepEqual([any["requests.storage"], any[key("fast")], any[key("slow")]], ["5Gi", "5Gi", "5Gi"]);
  assert.deepEqual(classesToTell([listFrom({ "requests.storage": "5Gi" })], ["slow"], []), []);
  assert.deepEqual(classesToTell([listFrom({ [key("fast")]: "1Gi" })], ["slow"], []), ["fast", "slow"]);
  assert.deepEqual(classesToTell([listFrom({})], ["slow"], [key("fast")]), ["fast", "slow"], "separate keys stay");
});

Deno.test("hard: devices that nodes offer but no grant includes, and those of earlier grants: zero", () => {
  const quota = quotaList(listFrom({ cpu: "1" }), ["requests.nvidia.com/gpu"], [
    "requests.amd.com/gpu",
    "fast.deviceclass.resource.k8s.io/devices",
    "count/foos.example.com",
  ]);
  assert.deepEqual(shown(quota), {
    configmaps: "2",
    "count/serviceaccounts": "1",
    "fast.deviceclass.resource.k8s.io/devices": "0",
    "requests.amd.com/gpu": "0",
    "requests.cpu": "1",
    "requests.nvidia.com/gpu": "0",
  });
});

Deno.test("hard: a closed quota: all keys are zero, none is omitted", () => {
  const closed = shown(closedList(["requests.nvidia.com/gpu"], ["requests.amd.com/gpu", "pods"]));
  assert.equal(closed["pods"], "0");
  assert.equal(closed["requests.amd.com/gpu"], "0");
  assert.equal(closed["persistentvolumeclaims"], "0");
  assert.deepEqual(new Set(Object.values(closed)), new Set(["0"]));
});

Deno.test("hard: a freeze: at most the granted and at least the remaining amounts, else present usage", () => {
  const freeze = (granted: string, remaining: string, used: string) =>
    shown(
      freezeList(listFrom({ cpu: granted }), listFrom({ cpu: remaining }), { "requests.cpu": used }),
    )["requests.cpu"];
  assert.equal(freeze("5", "2", "3"), "3");
  assert.equal(freeze("5", "2", "1"), "2");
  assert.equal(freeze("5", "2", "7"), "5");
  assert.deepEqual(shown(freezeList(listFrom({ pods: "5" }), new Map(), {})), { pods: "0" });
});

const claim = (name: string, cpu: string, endsAt?: number): Claim => ({
  name,
  hard: listFrom({ cpu }),
  ...(endsAt === undefined ? {} : { endsAt }),
});
const shares = (claims: Claim[], used: string) =>
  Object.fromEntries(
    [...allot(claims, { "requests.cpu": used })].map((
      [name, share],
    ) => [name, share.get("requests.cpu")!.toString()]),
  );

Deno.test("shares: usage is attributed first to the grants that last longest", () => {
  const claims = [claim("soon", "2", 1), claim("later", "2", 2), claim("forever", "2"), claim("also-soon", "2", 1)];
  assert.deepEqual(shares(claims, "1500m"), { forever: "1500m", later: "0", "also-soon": "0", soon: "0" });
  assert.deepEqual(shares(claims, "5"), { forever: "2", later: "2", "also-soon": "1", soon: "0" });
  assert.deepEqual(
    shares(claims, "99"),
    { forever: "2", later: "2", "also-soon": "2", soon: "2" },
    "usage beyond the sum is attributed to no grant",
  );
});

Deno.test("shares: a key that a grant doesn't name: not in its share", () => {
  assert.deepEqual([...allot([claim("a", "1")], { pods: "3" }).get("a")!.keys()], []);
});

Deno.test("shares: add up to the usage or the grants, whichever is less", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(5000), fc.option(fc.nat(9))), { minLength: 1, maxLength: 6 }),
      fc.nat(20_000),
      (grants, used) => {
        const claims = grants.map(([milli, end], index) => claim(`g${index}`, `${milli}m`, end ?? undefined));
        const sum = [...allot(claims, { "requests.cpu": `${used}m` }).values()].map((share) =>
          share.get("requests.cpu")!
        );
        const total = sum.reduce((a, b) => a.add(b));
        const granted = grants.reduce((a, [milli]) => a + milli, 0);
        assert.equal(total.compare(parseQuantity(`${Math.min(used, granted)}m`)), 0);
      },
    ),
  );
});

Deno.test("hard: an invalid quantity in a status: zero, and its key stays", () => {
  const hard = quantitiesOf(
    { pods: "many", "requests.cpu": "2", "requests.memory": null } as unknown as Record<string, string>,
  );
  assert.deepEqual([...hard].map(([key, amount]) => [key, amount.toString()]), [
    ["pods", "0"],
    ["requests.cpu", "2"],
    ["requests.memory", "0"],
  ]);
  assert.equal(quantitiesOf(null).size, 0);
});

Deno.test("counts beyond what a ResourceQuota accepts: shown as the most that it does; amounts stay", () => {
  const most = (list: Record<string, string>) => shown(listFrom(list));
  assert.deepEqual(
    most({
      pods: "9223372036854776",
      "requests.example.com/gpu": "1E",
      "limits.memory": "1E",
      "requests.storage": "1E",
    }),
    {
      "limits.memory": "1E",
      pods: "9223372036854775",
      "requests.example.com/gpu": "9223372036854775",
      "requests.storage": "1E",
    },
  );
  assert.deepEqual(most({ pods: "9223372036854775" }), { pods: "9223372036854775" });
});
