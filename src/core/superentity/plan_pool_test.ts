import assert from "node:assert/strict";
import fc from "fast-check";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { defaultSettings } from "../../api/mod.ts";
import { grant, now, superEntity } from "../../../tests/fixtures/made_facts.ts";
import type { SuperEntityFacts } from "../facts.ts";
import { completeList, listFrom, shown } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { contributionOf } from "./consent.ts";
import { contributed, shareOf } from "./contribution.ts";
import { type Applicant, planPool, sharedTerms } from "./plan_pool.ts";

const rules = defaultSettings.trust.partner;
const coop = superEntity({
  contributions: { "alice-home": { cpu: 4, memory: "8Gi" }, "bob-home": { cpu: 2, memory: "4Gi" } },
});
const none: ResourceList = new Map();

function applicant(
  name: string,
  hard: Record<string, string | number>,
  { age = 0, ...facts }: Partial<Applicant> & { age?: number } = {},
): Applicant {
  const spec = { grantorRealm: "coop", hard };
  return {
    grant: grant({ name, spec, createdAt: now - age * 1000 }),
    rules,
    isDue: true,
    allotment: undefined,
    most: none,
    ...facts,
  };
}

const plan = (applicants: Applicant[], entity: SuperEntityFacts = coop) => {
  const { allotments, shortfalls } = planPool({ entity, local: "alice-home", applicants });
  return {
    allotments: Object.fromEntries([...allotments].map(([uid, hard]) => [uid.slice(4), shown(hard)])),
    shortfalls: Object.fromEntries([...shortfalls].map(([uid, text]) => [uid.slice(4), text])),
  };
};
const cpu = (quantity: string): ResourceList =>
  new Map([["requests.cpu", parseQuantity(quantity)], ["limits.cpu", parseQuantity(quantity)]]);

Deno.test("a share is the contributed fraction of the requested amounts, rounded down to the quota's unit", () => {
  const share = (asked: Record<string, string>, own: Record<string, string>, others: Record<string, string>) => {
    const [mine, all] = [contributed(own), new Map(contributed(own))];
    for (const [key, quantity] of contributed(others)) all.set(key, all.get(key)?.add(quantity) ?? quantity);
    return shown(shareOf(listFrom(asked), mine, all));
  };
  assert.deepEqual(share({ "requests.cpu": "1" }, { cpu: "1" }, { cpu: "2" }), { "requests.cpu": "333m" });
  assert.deepEqual(share({ pods: "10" }, { pods: "10" }, { pods: "20" }), { pods: "3" });
  assert.deepEqual(share({ memory: "1Gi" }, { memory: "1Gi" }, { memory: "2Gi" }), { "requests.memory": "357913941" });
  assert.deepEqual(share({ "requests.cpu": "9" }, { cpu: "1" }, { cpu: "1" }), { "requests.cpu": "1" }, "never more");
  assert.deepEqual(share({ pods: "1", "requests.cpu": "1" }, { cpu: "1" }, { pods: "2" }), {
    pods: "0",
    "requests.cpu": "1",
  });
  assert.deepEqual(share({ "requests.cpu": "1" }, { cpu: "0" }, { cpu: "0" }), { "requests.cpu": "0" });
});

Deno.test("a grant that fits gets its share; one that doesn't waits, with its shortfall", () => {
  const { allotments, shortfalls } = plan([applicant("one", { cpu: 3 }, { age: 2 }), applicant("two", { cpu: 4 })]);
  assert.deepEqual(allotments.one, {
    "limits.cpu": "2",
    "limits.memory": "0",
    "requests.cpu": "2",
    "requests.memory": "0",
  });
  assert.equal(allotments.two, undefined);
  assert.match(
    shortfalls.two!,
    /^Exceeds the pool of coop: requests\.cpu is 4, 3 are free, short by 1; /,
  );
});

Deno.test("the oldest grant comes first, and one that never fits doesn't delay others", () => {
  const { allotments } = plan([
    applicant("young", { cpu: 4 }, { age: 1 }),
    applicant("old", { cpu: 4 }, { age: 3 }),
    applicant("giant", { cpu: 7 }, { age: 9 }),
    applicant("small", { cpu: 2 }),
  ]);
  assert.deepEqual(Object.keys(allotments).sort(), ["old", "small"]);
});

Deno.test("the pool shrinks: grants in force keep their allocation, and nothing new fits", () => {
  const smaller = superEntity({ contributions: { "alice-home": { cpu: 1 }, "bob-home": { cpu: 1 } } });
  const running = applicant("running", { cpu: 4 }, { allotment: cpu("2"), most: cpu("2"), age: 5 });
  const { allotments, shortfalls } = plan([running, applicant("new", { cpu: 1 }, { age: 9 })], smaller);
  assert.equal(allotments.running!["requests.cpu"], "1", "never more than is contributed");
  assert.match(shortfalls.new!, /requests\.cpu is 1, 0 are free, short by 1/);
});

Deno.test("a grant is reduced or ends: its room counts as used until it is known to be free", () => {
  const full = applicant("full", { cpu: 6 }, { allotment: cpu("4"), most: cpu("4"), age: 5 });
  const waiting = applicant("waiting", { cpu: 3 });
  assert.ok(plan([full, waiting]).shortfalls.waiting);
  const cut = { ...applicant("full", { cpu: 3 }, { age: 5 }), allotment: cpu("4"), most: cpu("4") };
  assert.ok(plan([cut, waiting]).shortfalls.waiting, "on notice");
  const enforcedStill = { ...full, isDue: false, allotment: cpu("4") };
  assert.ok(plan([enforcedStill, waiting]).shortfalls.waiting, "ended, not gone");
  assert.ok(plan([{ ...cut, allotment: cpu("2"), most: cpu("2") }, waiting]).allotments.waiting);
  assert.ok(plan([{ ...full, isDue: false, most: none }, waiting]).allotments.waiting);
});

Deno.test("the enforcement is unknown: nothing is allocated and nothing released", () => {
  const started = applicant("started", { cpu: 1 }, { most: undefined });
  assert.deepEqual(plan([started, applicant("new", { cpu: 1 })]), { allotments: {}, shortfalls: {} });
  const known = { ...started, allotment: cpu("1") };
  assert.deepEqual(plan([known]).allotments, { started: shown(cpu("1")) });
});

Deno.test("without consent: allocations stay, and nothing new is allocated", () => {
  const void_ = { ...coop, spec: { ...coop.spec, purpose: "another" } };
  const running = applicant("running", { cpu: 1 }, { allotment: cpu("1"), most: cpu("1") });
  assert.deepEqual(plan([running, applicant("new", { cpu: 1 })], void_), {
    allotments: { running: shown(cpu("1")) },
    shortfalls: {},
  });
});

Deno.test("a grant doesn't name pods: they come from the contribution, if it has any", () => {
  const pods = superEntity({ contributions: { "alice-home": { cpu: 4, pods: 5 }, "bob-home": { cpu: 4, pods: 5 } } });
  const { allotments } = plan([applicant("a", { cpu: 1, pods: 4 }, { age: 2 }), applicant("b", { cpu: 1 })], pods);
  assert.equal(allotments.a!.pods, "2");
  assert.equal(allotments.b!.pods, "3");
});

Deno.test("enforced: the share with defaults, and at most the allocation of pooled resources", () => {
  const one = applicant("one", { cpu: 3 });
  const terms = (allotment: ResourceList | undefined) =>
    sharedTerms(
      { grant: one.grant, entity: coop, local: "alice-home", allotment },
      (share) => completeList(share, rules, []),
    );
  assert.equal(terms(cpu("2")).get("requests.cpu")!.toString(), "2");
  assert.equal(terms(cpu("1500m")).get("limits.cpu")!.toString(), "1500m");
  assert.equal(terms(undefined).get("requests.cpu")!.toString(), "0");
  assert.equal(terms(cpu("2")).get("pods")!.toString(), String(rules.pods));
});

Deno.test("property: any requests: never more is allocated than was contributed and is free", () => {
  const hard = fc.dictionary(
    fc.constantFrom("cpu", "limits.cpu", "memory", "pods", "requests.storage", "secrets"),
    fc.integer({ min: 0, max: 9 }),
  );
  fc.assert(fc.property(
    fc.array(hard, { minLength: 2, maxLength: 4 }),
    fc.array(fc.record({ hard, age: fc.nat(9), held: hard, isDue: fc.boolean() }), { maxLength: 6 }),
    (contributions, asked) => {
      const names = ["alice-home", "bob-home", "carol-home", "dave-home"];
      const entity = superEntity({
        contributions: Object.fromEntries(contributions.map((each, index) => [names[index]!, each])),
      });
      const own = contributionOf(entity, "alice-home")!;
      const applicants = asked.map(({ hard, age, held, isDue }, index) =>
        applicant(`g${index}`, hard, { age, isDue, ...(index % 2 ? { most: listFrom(held), allotment: none } : {}) })
      );
      const { allotments } = planPool({ entity, local: "alice-home", applicants });
      for (const [key, limit] of own) {
        const sum = applicants.reduce((sum, { grant, most }) => {
          const given = allotments.get(grant.uid)?.get(key)?.nanos ?? 0n;
          const held = most?.get(key)?.nanos ?? 0n;
          return sum + (given > held ? given : held);
        }, 0n);
        const before = applicants.reduce((sum, { most }) => sum + (most?.get(key)?.nanos ?? 0n), 0n);
        assert.ok(sum <= (before > limit.nanos ? before : limit.nanos), key);
      }
    },
  ));
});
