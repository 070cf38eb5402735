import assert from "node:assert/strict";
import { load } from "js-yaml";
import { defaultSettings, parseSettings } from "./settings.ts";

Deno.test("settings: an empty file: all defaults", () => {
  for (const content of [undefined, null, {}, { trust: {} }]) assert.deepEqual(parseSettings(content), defaultSettings);
});

Deno.test("settings: a field that is set: only that field differs from the defaults", () => {
  const { trust, clusterRanges } = parseSettings({
    trust: { public: { pods: 5 } },
    clusterRanges: { pods: ["10.42.0.0/16"] },
  });
  assert.deepEqual(trust.public, { ...defaultSettings.trust.public, pods: 5 });
  assert.deepEqual(trust.partner, defaultSettings.trust.partner);
  assert.deepEqual(clusterRanges, { ...defaultSettings.clusterRanges, pods: ["10.42.0.0/16"] });
});

const wrong: [unknown, RegExp][] = [
  [{ trust: { partner: { pods: -1 } } }, /trust\.partner\.pods is -1: /],
  [{ trust: { partner: { egress: "all" } } }, /trust\.partner\.egress is "all": .*any.*unprotected.*realm/],
  [{ trust: { friend: {} } }, /^there is no setting trust\.friend$/],
  [
    { trust: { internal: { ephemeralStorage: "lots" } } },
    /ephemeralStorage is "lots": must be a quantity such as 20Gi/,
  ],
  [
    { namespaceRetention: 5 },
    /^there is no setting namespaceRetention; the keys are trust, .*namespaceRetentionSeconds/,
  ],
  [{ namespaceRetentionSeconds: 1.5 }, /namespaceRetentionSeconds is 1\.5: /],
  [{ clusterRanges: { pods: "10.42.0.0/16" } }, /clusterRanges\.pods is "10\.42\.0\.0\/16": .*array/],
  [{ clusterRanges: { pods: ["10.42.0.0/33"] } }, /clusterRanges\.pods\.0 is "10\.42\.0\.0\/33": must be a CIDR/],
  [{ clusterRanges: { tailnet: [] } }, /clusterRanges\.tailnet is \[\]: /],
  [{ clusterRanges: { nat64: ["64:ff9b:1::/48"] } }, /nat64\.0 is "64:ff9b:1::\/48": must be a 96-bit prefix/],
  [{ clusterRanges: { nat64: ["10.0.0.0/8"] } }, /nat64\.0 is "10\.0\.0\.0\/8": must be a CIDR such as 64:ff9b::\/96/],
  [{ lastSeenSeconds: 1 }, /lastSeenSeconds is 1: /],
  [{ realmPeers: { "Bob": [] } }, /realmPeers.* "?Bob|realmPeers/],
  [{ realmPeers: { "bob-home": [{ podSelector: { matchLabels: { app: "proxy" } } }] } }, /namespaceSelector/],
  [
    {
      realmPeers: {
        "bob-home": [{ namespaceSelector: { matchLabels: {} }, podSelector: { matchLabels: { app: "proxy" } } }],
      },
    },
    /realmPeers\.bob-home\.0\.namespaceSelector\.matchLabels is \{\}: must have at least one label: an empty selector would select everything/,
  ],
  [
    { realmPeers: { "bob-home": [{ namespaceSelector: {}, podSelector: {} }] } },
    /realmPeers\.bob-home\.0\.namespaceSelector/,
  ],
  ["yes", /the file is "yes": .*object/],
];

for (const [content, says] of wrong) {
  Deno.test(`settings: ${JSON.stringify(content)} is refused with the field's name and value`, () => {
    assert.throws(() => parseSettings(content), ({ message }: Error) => says.test(message) || assert.fail(message));
  });
}

Deno.test("settings: the documentation's example is valid and shows the defaults", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/configuration.md", import.meta.url));
  const { trust, namespaceRetentionSeconds, lastSeenSeconds } = parseSettings(
    load(text.match(/```yaml\n(.*?)```/s)![1]!),
  );
  assert.deepEqual(trust, defaultSettings.trust);
  assert.equal(namespaceRetentionSeconds, defaultSettings.namespaceRetentionSeconds);
  assert.equal(lastSeenSeconds, defaultSettings.lastSeenSeconds);
  for (const [level, { pods, objects, ephemeralStorage }] of Object.entries(defaultSettings.trust)) {
    assert.match(text, new RegExp(`\\| ${level} +\\|.*${pods} · ${objects} · ${ephemeralStorage} +\\|`));
  }
});
