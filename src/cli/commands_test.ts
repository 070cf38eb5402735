/** The commands that list and change: requests and results, against answers of an API server that are written here. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { answeredCommand, type WrittenAnswers } from "../../tests/fixtures/answered_command.ts";
import { trustedNodeAnnotation } from "../api/mod.ts";
import { guideKey } from "../core/guest/objects/guide.ts";
import { quotaOf } from "../core/guest/objects/quota.ts";

const group = "/apis/keystone.io/v1alpha1";
const now = () => Date.parse("2026-06-01T12:00:00Z");

/** Grants, realms and a SuperEntity as an API server returns them. */
const grant = {
  metadata: { name: "alice-to-bob", uid: "g1", resourceVersion: "1", generation: 1 },
  spec: {
    grantorRealm: "alice-home",
    granteeRealm: "bob-home",
    hard: { "requests.cpu": "2", "requests.memory": "4Gi" },
    validity: { validUntil: "2026-07-01T12:00:00Z" },
  },
  status: { phase: "Active", actualUsage: { "requests.cpu": "500m" }, message: "In force." },
};
const pending = {
  metadata: { name: "alice-to-carol", uid: "g2", resourceVersion: "1", generation: 1 },
  spec: { grantorRealm: "alice-home", granteeRealm: "carol-home", hard: { "requests.cpu": "1" } },
};
const realm = {
  metadata: {
    name: "bob-home",
    uid: "r1",
    resourceVersion: "1",
    generation: 1,
    annotations: { [trustedNodeAnnotation]: "nOLD" },
  },
  spec: { identity: "bob-home.tailnet.ts.net", connectionType: "tailscale", trustLevel: "partner" },
  status: { connectionState: "Connected", lastSeen: "2026-06-01T11:59:30Z" },
};
const entity = {
  metadata: { name: "three-homes", uid: "s1", resourceVersion: "1", generation: 1 },
  spec: {
    members: [{ realm: "alice-home", contribution: { cpu: "4" } }, { realm: "bob-home", contribution: { cpu: "2" } }],
    approvals: [{ realm: "alice-home", digest: "old" }],
  },
  status: {
    phase: "Forming",
    approved: 1,
    needed: 2,
    pooled: { "requests.cpu": "6" },
    members: [{ realm: "alice-home", approved: true, state: "Connected" }],
  },
};
const written = quotaOf("bob-home", { "requests.cpu": "2" });
const quota = {
  ...written,
  metadata: { ...written.metadata, uid: "q1", resourceVersion: "1" },
  status: { hard: { "requests.cpu": "2" }, used: { "requests.cpu": "500m" } },
};
const guide = {
  metadata: { name: "keystone", namespace: "guest-bob-home", uid: "c1", resourceVersion: "1" },
  data: { [guideKey]: '- name: alice-to-bob\n  until: "2026-07-01T12:00:00Z"\n  hard: { requests.cpu: "2" }\n' },
};

const list = (...items: unknown[]) => ({ metadata: { resourceVersion: "9" }, items });
const full: WrittenAnswers = {
  [`${group}/grants`]: list(grant, pending),
  [`${group}/grants/alice-to-bob`]: grant,
  [`${group}/realms`]: list(realm),
  [`${group}/realms/bob-home`]: realm,
  [`${group}/superentities`]: list(entity),
  [`${group}/superentities/three-homes`]: entity,
  "/api/v1/resourcequotas": list(quota),
  "/api/v1/namespaces/guest-bob-home/resourcequotas": list(quota),
  "/api/v1/namespaces/guest-bob-home/resourcequotas/keystone": quota,
  "/api/v1/namespaces/guest-bob-home/configmaps": list(guide),
};

const run = (args: readonly string[], answers: WrittenAnswers = full) => answeredCommand(args, answers, { now });

Deno.test("grants: a row for each, with use, end and phase; flags choose rows and columns", async () => {
  const { code, out } = await run(["grants"]);
  assert.equal(code, 0);
  const [, first, second] = out.split("\n");
  assert.match(first!, /^alice-to-bob +alice-home +bob-home +Active +\S+ 500m of 2 +\S+ 0 of 4Gi +in 30 d$/);
  assert.match(second!, /^alice-to-carol +alice-home +carol-home +Pending +\S+ 0 of 1 +- +when revoked$/);
  assert.equal((await run(["grants", "--realm", "bob-home"])).out.split("\n").length, 2);
  assert.equal((await run(["grants", "--phase", "Pending"])).out.split("\n").length, 2);
  assert.match((await run(["grants", "--phase", "pending"])).out, /alice-to-carol/);
  assert.deepEqual(
    (await run(["grants", "-o", "name"])).out.split("\n"),
    ["grant.keystone.io/alice-to-bob", "grant.keystone.io/alice-to-carol"],
  );
  const [item] = (await run(["grants", "-o", "json"])).json().items;
  assert.deepEqual([item.name, item.free["requests.cpu"], item.metadata.uid], ["alice-to-bob", "1500m", "g1"]);
});

Deno.test("earlier name of a verb: same output, exit code and requests, and a note that names the present one", async () => {
  const cases: [earlier: string[], present: string[]][] = [
    [["grants"], ["grant", "list"]],
    [["grants", "nobody"], ["grant", "list", "nobody"]],
    [["grants", "--realm", "bob-home", "-o", "json"], ["grant", "list", "--realm", "bob-home", "-o", "json"]],
    [["grants", "--phase"], ["grant", "list", "--phase"]],
    [["realms", "-o", "yaml"], ["realm", "list", "-o", "yaml"]],
    [["superentities", "-o", "wide"], ["superentity", "list", "-o", "wide"]],
    [["revoke", "alice-to-bob", "--yes"], ["grant", "revoke", "alice-to-bob", "--yes"]],
    [["extend", "alice-to-bob", "--by", "1d"], ["grant", "extend", "alice-to-bob", "--by", "1d"]],
    [["trust", "bob-home", "--yes", "-o", "json"], ["realm", "trust", "bob-home", "--yes", "-o", "json"]],
    [["kubeconfig", "bob-home"], ["realm", "kubeconfig", "bob-home"]],
    [["approve", "three-homes", "--realm", "x"], ["superentity", "approve", "three-homes", "--realm", "x"]],
  ];
  for (const [earlier, present] of cases) {
    const [was, is] = [await run(earlier), await run(present)];
    assert.deepEqual([was.code, was.out, was.patches], [is.code, is.out, is.patches], earlier.join(" "));
    const note = `Note: keystone ${earlier[0]} is now keystone ${present.slice(0, 2).join(" ")}.`;
    // Usage errors come before the note.
    assert.deepEqual(
      was.err.split("\n").filter((line) => line !== note),
      is.err.split("\n").filter(Boolean).length === 0 ? [] : is.err.split("\n"),
    );
    assert.equal(was.err.includes(note), was.code !== 2, was.err);
  }
});

Deno.test("grants of nobody: says how to make one; not allowed outside a guest namespace: exit code 3", async () => {
  const none = await run(["grants"], {
    ...full,
    [`${group}/grants`]: list(),
  });
  assert.match(none.out, /keystone grant create/);
  assert.equal((await run(["realms"], {})).code, 3);
});

Deno.test("grants of a guest, who may not list Grants: those of the guide", async () => {
  const { [`${group}/grants`]: _, ...guests } = full;
  const { code, out } = await run(["grants"], guests);
  assert.equal(code, 0);
  assert.match(out.split("\n")[1]!, /^alice-to-bob +bob-home +Active +\S+ 500m of 2 /);
  const reductions = [{ until: "2026-06-20T12:00:00Z", hard: { "requests.cpu": "4" }, then: { "requests.cpu": "2" } }];
  const reduced = {
    ...guide,
    data: { [guideKey]: `- name: a\n  hard: {}\n  reductions: ${JSON.stringify(reductions)}` },
  };
  const answers = { ...guests, "/api/v1/namespaces/guest-bob-home/configmaps": list(reduced) };
  assert.deepEqual((await run(["grants", "-o", "json"], answers)).json().items[0].reductions, reductions);
});

Deno.test("realms: state, active grants and the sum of what is granted and used", async () => {
  const { out } = await run(["realms"]);
  assert.match(
    out.split("\n")[1]!,
    /^bob-home +bob-home\.tailnet\.ts\.net +partner +Connected +now +1 +\S+ 500m of 2 /,
  );
  const [item] = (await run(["realms", "-o", "json"])).json().items;
  assert.deepEqual([item.grants, item.granted, item.used["requests.cpu"]], [
    1,
    { "requests.cpu": "2", "requests.memory": "4Gi" },
    "500m",
  ]);
  assert.match((await run(["realms"], { ...full, [`${group}/realms`]: list() })).out, /keystone realm add/);
});

Deno.test("superentities: approvals, members and the pool", async () => {
  const { out } = await run(["superentities"]);
  assert.match(out.split("\n")[1]!, /^three-homes +Forming +1 of 2 +alice-home ✓, bob-home +6$/);
  assert.match((await run(["superentities"], { [`${group}/superentities`]: list() })).out, /docs\/superentity\.md/);
});

Deno.test("extend: the end moves by a span, to an instant, or goes; an earlier end is refused unsent", async () => {
  const until = async (...args: string[]) => (await run(["extend", "alice-to-bob", ...args])).patches[0]?.body;
  assert.deepEqual(await until("--by", "1d"), { spec: { validity: { validUntil: "2026-07-02T12:00:00Z" } } });
  assert.deepEqual(await until("--until", "2027-01-01"), {
    spec: { validity: { validUntil: "2027-01-01T00:00:00Z" } },
  });
  assert.deepEqual(await until("--no-end"), { spec: { validity: { validUntil: null } } });
  const earlier = await run(["extend", "alice-to-bob", "--until", "2026-06-15"]);
  assert.deepEqual([earlier.code, earlier.patches], [1, []]);
  assert.match(earlier.err, /2026-07-01T12:00:00Z.*keystone grant revoke alice-to-bob/);
  assert.equal((await run(["extend", "alice-to-bob", "--by", "1d", "--no-end"])).code, 2);
});

Deno.test("extend: times as people write them; a span counts from a start in the future; said back in local time and UTC", async () => {
  const answers = (validity: unknown) => ({
    ...full,
    [`${group}/grants/alice-to-bob`]: { ...grant, spec: { ...grant.spec, validity } },
  });
  const { out, err, patches } = await run(["extend", "alice-to-bob", "--until", "next friday"], answers({}));
  assert.deepEqual(patches[0]?.body, { spec: { validity: { validUntil: "2026-06-12T00:00:00Z" } } });
  assert.match(out, /lasts until Friday 2026-06-12 00:00 UTC \(2026-06-12T00:00:00Z\)\./);
  assert.match(err, /friday alone is 2026-06-05/);
  assert.match(err, /Kubeconfigs keep their old end\. Renew them: keystone realm kubeconfig bob-home/);
  const future = { validFrom: "2026-08-01T00:00:00Z", validUntil: "2026-08-02T00:00:00Z" };
  const later = await run(["extend", "alice-to-bob", "--for", "5d"], answers(future));
  assert.deepEqual(later.patches[0]?.body, { spec: { validity: { validUntil: "2026-08-06T00:00:00Z" } } });
  const past = await run(["extend", "alice-to-bob", "--until", "2026-01-01"], answers({}));
  assert.deepEqual([past.code, past.patches], [2, []]);
});

Deno.test("grant create: amounts and times of flags, in local time; a client dry run prints YAML", async () => {
  const flags = ["--to", "bob-home", "--from", "alice-home", "--cpu", "2", "--memory", "4G", "--dry-run=client"];
  const args = ["grant", "create", "trial", ...flags];
  const { code, out, err } = await run([...args, "--start", "friday", "--for", "2w", "--gpu", "1"]);
  assert.equal(code, 0, err);
  assert.deepEqual(load(out), {
    apiVersion: "keystone.io/v1alpha1",
    kind: "Grant",
    metadata: { name: "trial" },
    spec: {
      grantorRealm: "alice-home",
      granteeRealm: "bob-home",
      hard: { cpu: "2", memory: "4G", "requests.nvidia.com/gpu": "1" },
      validity: { validFrom: "2026-06-05T00:00:00Z", validUntil: "2026-06-19T00:00:00Z" },
    },
  });
  assert.match(err, /4G is 3\.72Gi/);
  assert.match(err, /The GPUs are nvidia\.com\/gpu/);
  assert.match(err, /Grant trial would be created \(client dry run\)\. It lasts from Friday 2026-06-05 00:00 UTC/);
  const json = await run([...args, "-o", "json"]);
  assert.equal(json.json().metadata.name, "trial");
  const twice = await run([...args, "--cpu", "3"]);
  assert.deepEqual([twice.code, twice.out], [2, ""]);
  assert.match(twice.err, /--cpu is set twice: 2 and 3/);
});

Deno.test("extend by a span without a present end: refused", async () => {
  const endless = { ...full, [`${group}/grants/alice-to-bob`]: { ...grant, spec: { ...grant.spec, validity: {} } } };
  const { code, err, patches } = await run(["extend", "alice-to-bob", "--by", "1d"], endless);
  assert.deepEqual([code, patches], [1, []]);
  assert.match(err, /alice-to-bob/);
});

Deno.test("revoke: a merge patch with the reason, off a terminal only with --yes; revoked already: nothing is sent", async () => {
  const unconfirmed = await run(["revoke", "alice-to-bob", "--reason", "full"]);
  assert.deepEqual([unconfirmed.code, unconfirmed.patches], [2, []]);
  assert.match(unconfirmed.err, /--yes is not set/);
  const { code, out, patches } = await run(["revoke", "alice-to-bob", "--reason", "full", "--yes"]);
  assert.equal(code, 0);
  assert.deepEqual(patches, [{
    path: `${group}/grants/alice-to-bob`,
    type: "application/merge-patch+json",
    body: { spec: { revocation: { reason: "full" } } },
  }]);
  assert.match(out, /300 s/);
  const revoked = { ...full, [`${group}/grants/alice-to-bob`]: { ...grant, spec: { ...grant.spec, revocation: {} } } };
  const again = await run(["revoke", "alice-to-bob"], revoked);
  assert.deepEqual([again.code, again.patches], [0, []]);
  assert.match(again.out, /is revoked; it ends after at most 300 s of notice/);
});

Deno.test("trust: the annotation of the node, or its removal, confirmed if it replaces one; an impossible id is refused unsent", async () => {
  const unconfirmed = await run(["trust", "bob-home", "--node", "nNEW"]);
  assert.deepEqual([unconfirmed.code, unconfirmed.patches], [2, []]);
  assert.match(unconfirmed.err, /--yes is not set\. Another node gets the access of bob-home instead of nOLD/);
  assert.equal((await run(["trust", "bob-home", "--node", "nOLD"])).code, 0);
  const named = await run(["trust", "bob-home", "--node", "nNEW", "--yes"]);
  assert.deepEqual(named.patches[0]?.body, { metadata: { annotations: { [trustedNodeAnnotation]: "nNEW" } } });
  assert.match(named.out, /nNEW.*nOLD/);
  const next = await run(["trust", "bob-home", "--yes"]);
  assert.deepEqual(next.patches[0]?.body, { metadata: { annotations: { [trustedNodeAnnotation]: null } } });
  const wrong = await run(["trust", "bob-home", "--node", "a b"]);
  assert.deepEqual([wrong.code, wrong.patches], [1, []]);
});

Deno.test("approve: the own entry is added, replaced or removed, and guarded by a test of the list", async () => {
  const approve = (...args: string[]) => run(["approve", "three-homes", ...args]);
  const unconfirmed = await approve("--realm", "bob-home");
  assert.deepEqual([unconfirmed.code, unconfirmed.patches], [2, []]);
  const [added] = (await approve("--realm", "bob-home", "--yes")).patches;
  const [operation] = added!.body as { op: string; path: string; value: { realm: string; digest: string } }[];
  assert.deepEqual([operation!.op, operation!.path, operation!.value.realm], ["add", "/spec/approvals/-", "bob-home"]);
  const { digest } = operation!.value;
  const [replaced] = (await approve("--realm", "alice-home", "--yes")).patches;
  assert.deepEqual(replaced!.body, [
    { op: "test", path: "/spec/approvals/0/realm", value: "alice-home" },
    { op: "replace", path: "/spec/approvals/0", value: { realm: "alice-home", digest } },
  ]);
  const [removed] = (await approve("--realm", "alice-home", "--withdraw")).patches;
  assert.deepEqual((removed!.body as unknown[])[1], { op: "remove", path: "/spec/approvals/0" });
  for (
    const wrong of [
      ["--realm", "dora-home", "--yes"],
      ["--realm", "bob-home", "--withdraw"],
      ["--realm", "bob-home", "--digest", "other"],
    ]
  ) {
    const { code, patches } = await approve(...wrong);
    assert.deepEqual([code, patches], [1, []], wrong.join(" "));
  }
  // The context's namespace is the guest namespace of a realm.
  assert.equal((await approve("--digest", digest)).patches.length, 1);
});
