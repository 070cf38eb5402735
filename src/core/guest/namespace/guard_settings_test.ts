import assert from "node:assert/strict";
import { defaultSettings, parseSettings } from "../../../api/mod.ts";
import { guardSettings } from "./guard_settings.ts";
import { namespaceOf } from "../objects/namespace.ts";

Deno.test("settings of guards: the defaults are as strict as a missing annotation", () => {
  assert.deepEqual(guardSettings(defaultSettings, defaultSettings.trust.public), {
    "keystone.io/guards": "1",
    "keystone.io/max-priority": "0",
    "keystone.io/max-termination-grace-seconds": "3600",
    "keystone.io/max-history": "10",
    "keystone.io/runtime-classes": "",
    "keystone.io/runtime-class-required": "false",
    "keystone.io/device-runtime-classes": "",
    "keystone.io/csi-drivers": "",
    "keystone.io/schedulers": "",
    "keystone.io/reserved-taints": "",
    "keystone.io/pod-tokens": "true",
    "keystone.io/always-pull-images": "false",
    "keystone.io/load-balancer-classes": "",
    "keystone.io/harmless-keys": "",
    "keystone.io/dangerous-keys": "",
    "keystone.io/guards-warn": "",
  });
});

Deno.test("settings of guards: lists and pairs are sorted, so that equal settings give equal annotations", () => {
  const settings = parseSettings({
    trust: {
      public: {
        runtimeClasses: ["kata", "gvisor"],
        runtimeClassRequired: true,
        podTokens: false,
        history: 5,
        imageRegistries: ["registry.lan:5000", "docker.io"],
      },
    },
    guards: {
      warn: ["volume-types", "affinity"],
      deviceRuntimeClasses: { nvidia: ["nvidia.com/mig-1g.5gb", "nvidia.com/gpu"] },
    },
  });
  const of = guardSettings(settings, settings.trust.public);
  assert.equal(of["keystone.io/runtime-classes"], "gvisor,kata");
  assert.equal(of["keystone.io/runtime-class-required"], "true");
  assert.equal(of["keystone.io/pod-tokens"], "false");
  assert.equal(of["keystone.io/max-history"], "5");
  assert.equal(of["keystone.io/image-registries"], "docker.io,registry.lan:5000");
  assert.equal(of["keystone.io/device-runtime-classes"], "nvidia=nvidia.com/gpu,nvidia=nvidia.com/mig-1g.5gb");
  assert.equal(of["keystone.io/guards-warn"], "affinity,volume-types");
  const { labels } = namespaceOf("bob-home", "restricted", of, false).metadata!;
  assert.equal(labels!["keystone.io/guards-warn"], "true", "the policies that warn select it");
  assert.equal(guardSettings(settings, settings.trust.partner)["keystone.io/runtime-classes"], "");
  const keys = parseSettings({
    guards: { harmlessKeys: ["Example.com/obey", "a.example.*"], dangerousKeys: ["b/c*"] },
  });
  const partners = guardSettings(keys, keys.trust.partner);
  assert.equal(partners["keystone.io/harmless-keys"], "a.example.*,example.com/obey");
  assert.equal(partners["keystone.io/dangerous-keys"], "b/c*");
  assert.equal(partners["keystone.io/guards-warn"], "unknown-keys", "by trust level");
  const strict = parseSettings({ trust: { partner: { unknownKeys: "refuse" } }, guards: { warn: ["unknown-keys"] } });
  assert.equal(guardSettings(strict, strict.trust.public)["keystone.io/guards-warn"], "unknown-keys");
  assert.equal(guardSettings(parseSettings({}), defaultSettings.trust.public)["keystone.io/guards-warn"], "");
});

Deno.test("settings of guards: a name unusable in a list, or a setting with which no pod could run: refused by field", () => {
  const refused = (content: unknown, says: RegExp) => assert.throws(() => parseSettings(content), says);
  refused({ guards: { csiDrivers: ["a,b"] } }, /guards\.csiDrivers\.0 is "a,b": is not a valid name/);
  refused({ guards: { deviceRuntimeClasses: { "a=b": ["c"] } } }, /guards\.deviceRuntimeClasses/);
  refused({ guards: { harmlessKeys: ["a,b"] } }, /guards\.harmlessKeys\.0 is "a,b": must be a key such as/);
  refused({ guards: { dangerousKeys: ["*"] } }, /guards\.dangerousKeys\.0 is "\*"/);
  refused(
    { trust: { public: { imageRegistries: ["docker.io/library"] } } },
    /imageRegistries\.0 is "docker\.io\/library"/,
  );
  refused({ guards: { warn: ["nodename"] } }, /guards\.warn\.0 is "nodename"/);
  refused(
    { trust: { public: { runtimeClassRequired: true } } },
    /runtimeClassRequired is true: requires an entry in runtimeClasses/,
  );
});
