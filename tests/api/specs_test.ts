/** A sample of the spec mutation campaign, `deno task test:specs`: one value for each field, and some more. */
import assert from "node:assert/strict";
import { sharedLab } from "../lab/shared.ts";
import { SeededRandom } from "../simulation/random.ts";
import { runBatch } from "../specs/batch.ts";
import { allMutations } from "../specs/mutations.ts";
import { withHarness } from "../specs/setting.ts";

const seed = 1;
const drawn = 100;

Deno.test("any value in any field: refused by the field's name, or applied and reverted without a trace", async () => {
  const all = new SeededRandom(seed).shuffled(await allMutations());
  const perField = new Map(all.map((mutation) => [`${mutation.kind}/${mutation.field}`, mutation]));
  const chosen = [...new Set([...perField.values(), ...all])].slice(0, drawn);
  assert.ok(perField.size >= 40 && perField.size < drawn, `${perField.size} fields`);
  await using lab = await sharedLab({ fastControllers: true });
  await withHarness(lab, async (theatre) => {
    const verdicts = await runBatch(theatre, chosen);
    const differ = verdicts.filter(({ faults }) => faults.size > 0);
    assert.deepEqual(differ.map(({ mutation, faults }) => [mutation.id, ...faults]), [], `--seed ${seed}`);
    const accepted = verdicts.filter(({ accepted }) => accepted).length;
    assert.ok(accepted > drawn / 5 && accepted < drawn * 4 / 5, `${accepted} of ${drawn} were accepted`);
  });
});
