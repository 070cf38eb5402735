import assert from "node:assert/strict";
import { hookOf } from "./helm_hooks.ts";

const hook = (event: string, upgrade = false, more: Record<string, string> = {}) =>
  hookOf({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "a", annotations: { "helm.sh/hook": event, ...more } } as { name: string },
  }, upgrade)!;

Deno.test("Helm hooks: the phase is that of the operation to come", () => {
  assert.equal(hook("pre-install").phase, "before");
  assert.equal(hook("pre-install", true).phase, "asked");
  assert.equal(hook("pre-install, pre-upgrade", true).phase, "before");
  assert.equal(hook("post-upgrade").phase, "asked");
  assert.equal(hook("post-upgrade", true).phase, "after");
  assert.deepEqual(
    ["test", "test-success", "pre-delete", "post-rollback", "unknown"].map((event) => hook(event).runs),
    [
      "only when asked: helm test",
      "only when asked: helm test",
      "only when asked: helm uninstall",
      "only when asked: helm rollback",
      "Helm skips it: unknown is no hook",
    ],
  );
  assert.equal(hookOf({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } }, false), undefined);
});

Deno.test("Helm hooks: an earlier one is deleted first, unless another policy is set", () => {
  const policy = (text: string) => hook("test", false, { "helm.sh/hook-delete-policy": text });
  assert.deepEqual([hook("test").replaces, hook("test").goes], [true, false]);
  assert.deepEqual([policy("hook-succeeded").replaces, policy("hook-succeeded").goes], [false, true]);
  assert.deepEqual(policy("before-hook-creation,hook-succeeded").replaces, true);
  assert.equal(hook("test", false, { "helm.sh/hook-weight": "-5" }).weight, -5);
});
