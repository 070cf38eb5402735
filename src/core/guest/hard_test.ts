import assert from "node:assert/strict";
import fc from "fast-check";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { type Claim, closedHard, hardFrom, shareOut, shown, sumHard } from "./hard.ts";

const amount = fc.tuple(fc.nat(1_000_000), fc.constantFrom("", "m", "Ki", "Gi", "M", "E-3")).map(([value, suffix]) =>
  suffix === "E-3" ? `${value}e-3` : `${value}${suffix}`
);
const hard = fc.dictionary(fc.constantFrom("cpu", "requests.memory", "pods", "requests.nvidia.com/gpu"), amount);

Deno.test("hard: cpu, memory and ephemeral-storage are the requests", () => {
  assert.deepEqual(shown(hardFrom({ memory: "1024Mi", cpu: 1.5, "limits.cpu": "0.5", "ephemeral-storage": "1Gi" })), {
    "limits.cpu": "500m",
    "requests.cpu": "1500m",
    "requests.ephemeral-storage": "1Gi",
    "requests.memory": "1Gi",
  });
});

Deno.test("hard: what is finer than a quota can hold is rounded up", () => {
  assert.deepEqual(shown(hardFrom({ cpu: "1u" })), { "requests.cpu": "1m" });
});

Deno.test("hard: a sum doesn't depend on the order, and is exact", () => {
  fc.assert(fc.property(fc.array(hard, { maxLength: 6 }), (all) => {
    const sum = sumHard(all.map(hardFrom));
    const other = sumHard([...all].reverse().map(hardFrom));
    assert.deepEqual([...sum.keys()].sort(), [...other.keys()].sort());
    for (const [key, quantity] of sum) {
      assert.equal(quantity.compare(other.get(key)!), 0);
      const rest = all.map(hardFrom).reduce(
        (left, each) => each.has(key) ? left.subtract(each.get(key)!) : left,
        quantity,
      );
      assert.equal(rest.sign(), 0);
    }
  }));
});

Deno.test("hard: a closed quota allows no pod and forgets no key", () => {
  const closed = closedHard(["requests.nvidia.com/gpu", "pods"]);
  assert.equal(closed["pods"], "0");
  assert.equal(closed["requests.nvidia.com/gpu"], "0");
  assert.deepEqual(new Set(Object.values(closed)), new Set(["0"]));
});

const claim = (name: string, cpu: string, endsAt?: number): Claim => ({
  name,
  hard: hardFrom({ cpu }),
  ...(endsAt === undefined ? {} : { endsAt }),
});
const shares = (claims: Claim[], used: string) =>
  Object.fromEntries(
    [...shareOut(claims, { "requests.cpu": used })].map((
      [name, share],
    ) => [name, share.get("requests.cpu")!.toString()]),
  );

Deno.test("shares: use fills what lasts longest first", () => {
  const claims = [claim("soon", "2", 1), claim("later", "2", 2), claim("forever", "2"), claim("also-soon", "2", 1)];
  assert.deepEqual(shares(claims, "1500m"), { forever: "1500m", later: "0", "also-soon": "0", soon: "0" });
  assert.deepEqual(shares(claims, "5"), { forever: "2", later: "2", "also-soon": "1", soon: "0" });
  assert.deepEqual(
    shares(claims, "99"),
    { forever: "2", later: "2", "also-soon": "2", soon: "2" },
    "use beyond the sum is nobody's",
  );
});

Deno.test("shares: a key that a grant doesn't name isn't shown by it", () => {
  assert.deepEqual([...shareOut([claim("a", "1")], { pods: "3" }).get("a")!.keys()], []);
});

Deno.test("shares: they add up to what is used or to what is granted, whichever is less", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(5000), fc.option(fc.nat(9))), { minLength: 1, maxLength: 6 }),
      fc.nat(20_000),
      (grants, used) => {
        const claims = grants.map(([milli, end], index) => claim(`g${index}`, `${milli}m`, end ?? undefined));
        const sum = [...shareOut(claims, { "requests.cpu": `${used}m` }).values()].map((share) =>
          share.get("requests.cpu")!
        );
        const total = sum.reduce((a, b) => a.add(b));
        const granted = grants.reduce((a, [milli]) => a + milli, 0);
        assert.equal(total.compare(parseQuantity(`${Math.min(used, granted)}m`)), 0);
      },
    ),
  );
});
