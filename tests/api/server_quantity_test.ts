/** lib/quantity against a real API server: the table of its unit tests, read back from a ResourceQuota. */
import assert from "node:assert/strict";
import { createRestClient, isApiError, Kubeconfig, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import cases from "../../lib/quantity/cases.json" with { type: "json" };
import { isQuantity, parseQuantity } from "../../lib/quantity/mod.ts";
import { sharedLab } from "../lab/shared.ts";

/** Quotas of resources in this domain may be fractions. */
const quotaKey = (index: number): string => `case-${index}.kubernetes.io/amount`;

/** Returns the API server's status for a dry run of a quota of `value`: 201, 400 (no quantity) or 422 (negative). */
async function verdict(rest: RestClient, namespace: string, value: string | number): Promise<number> {
  try {
    await rest.performRequest({
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/resourcequotas`,
      querystring: new URLSearchParams({ dryRun: "All" }),
      bodyJson: { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "q" }, spec: { hard: { cpu: value } } },
    });
    return 201;
  } catch (error) {
    if (isApiError(error)) return error.code;
    throw error;
  }
}

Deno.test("lib/quantity reads and writes as a real API server does", async (t) => {
  await using lab = await sharedLab();
  const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
  using rest = createRestClient(config, { userAgent: "quantity-test/1" });
  const core = new CoreV1Api(rest);
  const name = `quantity-${crypto.randomUUID().slice(0, 8)}`;
  await core.namespaces.create({ metadata: { name } });

  await t.step("valid quantities: stored as in the table, rounded up to milli", async () => {
    // A quota can't be negative; the step below tests negative quantities.
    const stored = cases.texts.filter(({ canonical, sign }) => canonical !== null && sign! >= 0);
    assert.ok(stored.length >= 60);
    const hard = Object.fromEntries(stored.map(({ text }, index) => [quotaKey(index), text]));
    await core.namespace(name).resourceQuotas.create({ metadata: { name: "table" }, spec: { hard } });
    const read = (await core.namespace(name).resourceQuotas.get("table")).spec?.hard ?? {};
    for (const [index, { text, string, canonical, milli }] of stored.entries()) {
      const answer = read[quotaKey(index)]!;
      const quantity = parseQuantity(text);
      const finer = parseQuantity(milli!).compare(parseQuantity(canonical!)) !== 0;
      assert.equal(answer, finer ? milli : string, text);
      assert.equal(parseQuantity(answer).compare(quantity.roundUpToMilli()), 0, text);
      assert.equal(parseQuantity(answer).toString(), quantity.roundUpToMilli().toString(), text);
    }
  });

  await t.step("refused values: not quantities, or negative", async () => {
    for (const { text } of cases.texts) {
      // White space around a quantity is trimmed before it is read.
      const read = text.trim();
      const expected = !isQuantity(read) ? 400 : parseQuantity(read).sign() < 0 ? 422 : 201;
      assert.equal(await verdict(rest, name, text), expected, JSON.stringify(text));
    }
  });

  await t.step("numbers: the same amounts as their text", async () => {
    const numbers = [0, 3, 0.5, 0.001, 1e-7, Number.MAX_SAFE_INTEGER];
    const hard = Object.fromEntries(numbers.map((number, index) => [quotaKey(index), number]));
    await core.namespace(name).resourceQuotas.create({ metadata: { name: "numbers" }, spec: { hard } });
    const read = (await core.namespace(name).resourceQuotas.get("numbers")).spec?.hard ?? {};
    for (const [index, number] of numbers.entries()) {
      const answer = parseQuantity(read[quotaKey(index)]!);
      assert.equal(answer.compare(parseQuantity(number).roundUpToMilli()), 0, String(number));
    }
  });

  await core.namespaces.delete(name);
});
