import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import type { ValidatingWebhookConfiguration } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import type { Secret } from "../../lib/kubernetes_apis/core@v1.ts";
import { type Effect, writtenBy } from "../core/effects.ts";
import { createQueues } from "../engine/run_loops.ts";
import type { Context } from "./context.ts";
import { createStores } from "./stores.ts";
import { webhookLoop } from "./webhook_certificates.ts";
import type { WebhookMemory } from "./webhook_secret.ts";

const month = 30 * 86_400_000;

/** The webhook of a leading operator, over an API server that accepts all writes except kinds in `refused`. */
function begun() {
  const stores = createStores();
  const clock = new FakeClock(Date.parse("2026-06-01T12:00:00Z"));
  const sent: string[] = [];
  const refused = new Set<string>();
  let version = 0;
  const executor = {
    execute: (effect: Effect) => {
      const object = writtenBy(effect)!;
      if (refused.has(object.kind!)) return Promise.reject(new Error(`no ${object.kind}`));
      sent.push(object.kind!);
      const metadata = { ...object.metadata, uid: object.kind!, resourceVersion: `${++version}` };
      if (object.kind === "Secret") stores.certificates.observe({ ...object, metadata } as Secret);
      else stores.webhooks.observe({ ...object, metadata } as ValidatingWebhookConfiguration);
      return Promise.resolve();
    },
  };
  let renewed = 0;
  const webhook: WebhookMemory = {
    isPresent: true,
    place: { url: "https://keystone.example:9443" },
    seen: new Set(),
    pending: undefined,
    renewed() {
      webhook.pending = undefined;
      renewed++;
    },
  };
  const context = { stores, clock, executor, webhook, skewMs: () => 0 } as unknown as Context;
  const queue = createQueues([webhookLoop], clock)["webhook"]!;
  const signal = new AbortController().signal;
  const reconcile = () => webhookLoop.reconcile("keystone-webhook", { context, queue, signal });
  return { clock, stores, sent, refused, reconcile, renewals: () => renewed };
}

/** Reconciles at each requested instant for a day; returns the delays of less than a minute. */
async function soon(operator: ReturnType<typeof begun>): Promise<number[]> {
  const waits: number[] = [];
  for (let look = 0; look < 5; look++) {
    const { wakeAt } = await operator.reconcile();
    const ms = wakeAt! - operator.clock.now();
    if (ms > 60_000) return waits;
    waits.push(ms);
    await operator.clock.advance(ms);
  }
  return waits;
}

Deno.test("webhook: first certificate: served at once, its authority is configured first", async () => {
  const operator = begun();
  assert.deepEqual(await soon(operator), []);
  assert.deepEqual(operator.sent, ["ValidatingWebhookConfiguration", "Secret"]);
  assert.equal(operator.renewals(), 1);
  await operator.reconcile();
  assert.equal(operator.sent.length, 2, "unchanged objects are not written again");
});

Deno.test("webhook: certificate of another authority: waits until API servers trust it", async () => {
  const operator = begun();
  await soon(operator);
  const { certificates } = operator.stores;
  const [before] = certificates.list();
  // Somebody has deleted the Secret.
  certificates.forget("keystone-system/keystone-webhook", "Secret");
  assert.deepEqual(await soon(operator), [2000]);
  assert.deepEqual(operator.sent.slice(2), ["ValidatingWebhookConfiguration", "Secret"]);
  const [after] = certificates.list();
  assert.notEqual(after!.authorities, before!.authorities);
});

Deno.test("webhook: authority can't be configured: nothing is served, and the same certificate is retried", async () => {
  const operator = begun();
  await soon(operator);
  operator.stores.certificates.forget("keystone-system/keystone-webhook", "Secret");
  operator.refused.add("ValidatingWebhookConfiguration");
  await assert.rejects(operator.reconcile(), /no Validating/);
  await operator.clock.advance(10_000);
  await assert.rejects(operator.reconcile(), /no Validating/);
  assert.deepEqual(operator.sent.slice(2), []);
  operator.refused.clear();
  assert.deepEqual(await soon(operator), [2000]);
});

Deno.test("webhook: certificate expires soon: renewed by an authority that is trusted already", async () => {
  const operator = begun();
  await soon(operator);
  await operator.clock.advance(2 * month);
  await operator.clock.advance(month / 30 * 2);
  assert.deepEqual(await soon(operator), []);
  assert.deepEqual(operator.sent.slice(2), ["Secret"]);
});
