/** The threat table is complete: each test that it names exists, and each attack belongs to a threat. */
import assert from "node:assert/strict";
import { guards } from "../../deploy/guards/guards_table.ts";
import { attacksIn, attacksOf, hostileAttacks } from "./hostile_attacks.ts";
import { findings } from "./on_previous.ts";
import { goesOn, threats } from "./threats.ts";

const sources = [...threats.flatMap(({ triedBy }) => triedBy), ...goesOn];

Deno.test("findings: each names a test that exists, and a guard's attack by its title", async () => {
  const titles = guards.flatMap(({ name, attacks }) =>
    attacks.map(({ title }) => `${name}: ${title}, as a Pod: it goes through`)
  );
  for (const [what, by, red] of findings) {
    assert.notEqual((await attacksOf(by)).length, 0, `${what}: there is no ${by}`);
    if (by.startsWith("hostile/hostile_guards_test.ts")) {
      assert.ok(titles.some((title) => red.test(title)), `${what}: ${red}`);
    }
  }
});

Deno.test("threats: each names tests that exist", async () => {
  for (const source of sources) assert.notEqual((await attacksOf(source)).length, 0, `there is no ${source}`);
});

Deno.test("threats: each test of tests/hostile belongs to one, or to ordinary use", async () => {
  const key = ({ file, name, test = "" }: Awaited<ReturnType<typeof hostileAttacks>>[number]) =>
    `${file}: ${test}: ${name}`;
  const known = new Set((await Promise.all(sources.map(attacksOf))).flat().map(key));
  const all = (await hostileAttacks()).map(key);
  assert.ok(all.length > 60, `${all.length}`);
  assert.deepEqual(all.filter((name) => !known.has(name)), [], "add them to tests/hostile/threats.ts");
});

Deno.test("threats: each guard belongs to exactly one", () => {
  const named = threats.flatMap(({ guards = [] }) => guards);
  assert.deepEqual([...named].sort(), guards.map(({ name }) => name).sort());
});

Deno.test("threats: exactly those without a test say why", () => {
  for (const { threat, triedBy, untried } of threats) {
    assert.equal(triedBy.length === 0, untried !== undefined, threat);
  }
  assert.equal(new Set(threats.map(({ threat }) => threat)).size, threats.length);
});

Deno.test("attacks: tests without steps, and steps, are found in the text", () => {
  const text = `
Deno.test("whole", async () => {});
Deno.test("in steps", async (t) => {
  await step(t, "one", async () => {});
  await step(
    t,
    \`\${Object.keys({ a: 1 }).length} of \${many}\`,
    async () => {},
  );
  await t.step("it's \\"three\\"", () => {});
});
Deno.test("last", { ignore: true }, async () => {});
`;
  const file = "hostile/x_test.ts";
  assert.deepEqual(attacksIn(file, text), [
    { file, name: "whole" },
    { file, name: "one", test: "in steps" },
    { file, name: "N of N", test: "in steps" },
    { file, name: 'it\'s "three"', test: "in steps" },
    { file, name: "last" },
  ]);
});
