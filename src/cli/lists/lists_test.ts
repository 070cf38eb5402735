/** Lists against answers of an API server that are written here: use, blocks, formats, names and emptiness. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { answeredCommand, type WrittenAnswers } from "../../../tests/fixtures/answered_command.ts";
import type { KeystoneOptions } from "../../../tests/fixtures/keystone_command.ts";
import { guideKey } from "../../core/guest/objects/guide.ts";
import { textWidth } from "../wrapped_text.ts";

const group = "/apis/keystone.io/v1alpha1";
const now = () => Date.parse("2026-06-01T12:00:00Z");
const list = (...items: unknown[]) => ({ metadata: { resourceVersion: "9" }, items });
const meta = (name: string, more = {}) => ({ name, uid: name, resourceVersion: "1", generation: 1, ...more });

/** A grant whose requests have room and whose limits have none, and one that lasts longer. */
const hard = { "limits.cpu": "2", "limits.memory": "4Gi", "pods": "20", "requests.cpu": "2", "requests.memory": "4Gi" };
const grant = (name: string, more: object = {}, spec: object = {}) => ({
  metadata: meta(name, { managedFields: [{ manager: "kubectl" }], creationTimestamp: "2026-05-01T12:00:00Z" }),
  spec: {
    grantorRealm: "alice-home",
    granteeRealm: "bob-home",
    hard: { cpu: "2", memory: "4Gi" },
    networkPolicy: { egressAllowed: true, allowedDestinations: ["203.0.113.0/24:443", "example.com"] },
    ...spec,
  },
  status: { phase: "Active", message: "Enforced in namespace guest-bob-home.", hard, ...more },
});
const ending = grant("alice-to-bob", {
  effectiveUntil: "2026-07-01T12:00:00Z",
  reductions: [{ until: "2026-06-02T12:00:00Z", hard: { "requests.cpu": "3" } }],
  resolvedDestinations: [
    { destination: "203.0.113.0/24:443", addresses: ["203.0.113.0/24"] },
    { destination: "example.com", error: "has no address" },
  ],
});
const quota = (used: Record<string, string>, most: Record<string, string> = hard, name = "keystone") => ({
  metadata: meta(name, { namespace: "guest-bob-home" }),
  spec: { hard: most },
  status: { hard: most, used },
});
const used = {
  "requests.cpu": "400m",
  "limits.cpu": "2",
  "requests.memory": "1Gi",
  "limits.memory": "1Gi",
  "pods": "2",
};
const pod = {
  metadata: meta("web-85f4-a", {
    labels: { "pod-template-hash": "85f4" },
    ownerReferences: [{ kind: "ReplicaSet", name: "web-85f4", uid: "u", controller: true }],
  }),
  spec: {
    containers: [{ resources: { requests: { cpu: "200m", memory: "512Mi" }, limits: { cpu: "1", memory: "512Mi" } } }],
  },
  status: { phase: "Running" },
};
const realm = {
  metadata: meta("bob-home"),
  spec: { identity: "bob-home.tailnet-name.ts.net", connectionType: "tailscale", trustLevel: "partner" },
  status: { connectionState: "Connected", lastSeen: "2026-06-01T11:59:30Z", node: { addresses: ["100.64.0.2"] } },
};
const guestPaths: WrittenAnswers = {
  "/api/v1/namespaces/guest-bob-home/resourcequotas": list(quota(used)),
  "/api/v1/namespaces/guest-bob-home/pods": list(pod),
  "/api/v1/namespaces/guest-bob-home/limitranges": list(),
};
const answers: WrittenAnswers = {
  ...guestPaths,
  [`${group}/grants`]: list(ending),
  [`${group}/realms`]: list(realm),
  [`${group}/superentities`]: list(),
  "/api/v1/resourcequotas": list(quota(used)),
};
const run = (args: readonly string[], more: WrittenAnswers = {}, options: KeystoneOptions = {}) =>
  answeredCommand(args, { ...answers, ...more }, { now, ...options });
const row = (out: string, index = 1) => out.split("\n")[index]!.split(/ {2,}/);

Deno.test("limits are used up, requests are not: the list shows the limits and says so", async () => {
  assert.deepEqual(row((await run(["grant", "list"])).out), [
    "alice-to-bob",
    "alice-home",
    "bob-home",
    "Active",
    "██████████ 2 of 2 limits",
    "██········ 1Gi of 4Gi",
    "in 30 d",
  ]);
  assert.deepEqual(row((await run(["realm", "list"])).out).slice(-2), [
    "██████████ 2 of 2 limits",
    "██········ 1Gi of 4Gi",
  ]);
  const [item] = (await run(["grant", "list", "-o", "json"])).json().items;
  assert.deepEqual(item.use.cpu, { key: "limits.cpu", used: "2", granted: "2", side: "limits" });
});

Deno.test("several grants to one realm: use is attributed to those that last longest, as by the operator", async () => {
  const two = { [`${group}/grants`]: list(ending, grant("longer")) };
  const both = { ...used, "limits.cpu": "3", "requests.cpu": "3" };
  const { out } = await run(["grant", "list"], { ...two, "/api/v1/resourcequotas": list(quota(both)) });
  assert.deepEqual([row(out, 1)[4], row(out, 2)[4]], ["█████····· 1 of 2", "██████████ 2 of 2"]);
  // Without the right to read quotas, the use in the status counts.
  const { "/api/v1/resourcequotas": _, ...unread }: WrittenAnswers = { ...answers, ...two };
  assert.equal(row((await answeredCommand(["grants"], unread, { now })).out)[4], "·········· 0 of 2");
});

Deno.test("guests with several grants: each shows the part of the use that is attributed to it", async () => {
  const { [`${group}/grants`]: _, ...guests } = answers;
  const text = `- name: a\n  hard: ${JSON.stringify(hard)}\n- name: b\n  until: "2026-07-01T12:00:00Z"\n` +
    `  hard: ${JSON.stringify(hard)}\n`;
  const guides = list({ metadata: meta("keystone", { namespace: "guest-bob-home" }), data: { [guideKey]: text } });
  const most = { ...hard, "limits.cpu": "4", "requests.cpu": "4" };
  const { out } = await answeredCommand(["grants"], {
    ...guests,
    "/api/v1/namespaces/guest-bob-home/configmaps": guides,
    "/api/v1/namespaces/guest-bob-home/resourcequotas": list(quota({ ...used, "limits.cpu": "3" }, most)),
  }, { now });
  assert.deepEqual([row(out, 1)[3], row(out, 2)[3]], ["██████████ 2 of 2 limits", "█████····· 1 of 2 limits"]);
});

for (const width of [60, 80, 120, 200, Infinity]) {
  Deno.test(`a grant as a block, ${width} columns: everything is in it, and no line is wider`, async () => {
    const options = Number.isFinite(width) ? { terminal: true, width, env: { NO_COLOR: "1" } } : {};
    const { out, code } = await run(["grant", "list", "alice-to-bob"], {}, options);
    assert.equal(code, 0);
    for (const line of out.split("\n")) assert.ok(textWidth(line) <= width, line);
    const text = out.replace(/\s+/g, " ");
    for (
      const part of [
        "Grant alice-to-bob",
        "Active. Enforced in namespace guest-bob-home.",
        "2026-07-01T12:00:00Z), in 30 d",
        "limits.cpu",
        "2 of 2 none left",
        "pods",
        "No more pods like those of Deployment web (200m cpu and 512Mi memory, limits 1 cpu and 512Mi memory); limits.cpu " +
        "has no room.",
        "203.0.113.0/24:443",
        "example.com: has no address",
        "it still gives 3 requests.cpu",
        "keystone grant extend alice-to-bob --by 30d",
        "keystone grant revoke alice-to-bob",
      ]
    ) assert.ok(text.includes(part), `${part}\nis missing in\n${out}`);
  });

  Deno.test(`tables at ${width} columns: no line is wider, no word is broken`, async () => {
    const options = Number.isFinite(width) ? { terminal: true, width, env: { NO_COLOR: "1" } } : {};
    for (const verb of ["grants", "realms"]) {
      const { out, err } = await run([verb], {}, options);
      for (const line of `${out}\n${err}`.split("\n")) assert.ok(textWidth(line) <= width, line);
      assert.match(out, verb === "grants" ? /alice-to-bob +.*in 30 d/ : /bob-home .*Connected/);
      const isNarrow = width === 60 || (width === 80 && verb === "realms");
      assert.equal(/Not shown for lack of room: .*-o wide/s.test(err), isNarrow, err);
    }
  });
}

Deno.test("a grant as a block: counts of objects are summed up in a line, and a closed network says why", async () => {
  const counts = { "count/jobs.batch": "2300", "secrets": "100", "configmaps": "200", "requests.storage": "0" };
  const networkPolicy = { egressAllowed: false, allowedDestinations: ["internet"] };
  const closed = grant("closed", { hard: { ...hard, ...counts } }, { networkPolicy });
  const { out } = await run(["grant", "list", "closed"], { [`${group}/grants`]: list(closed) });
  assert.match(out, /Also granted: .*at least 100 objects of each of 3 kinds \(see -o yaml\)$/m);
  assert.doesNotMatch(out, /count\/jobs/);
  assert.match(out, /No destination is open: spec\.networkPolicy\.egressAllowed is false, so internet is closed\./);
});

Deno.test("a realm as a block: seen now while connected; a replaced node has the command that trusts it", async () => {
  const of = async (status: object) =>
    (await run(["realm", "list", "bob-home"], { [`${group}/realms`]: list({ ...realm, status }) })).out;
  assert.match(await of(realm.status), /Seen +now\n/);
  const conditions = [{ type: "Ready", status: "False", reason: "NodeReplaced", message: "Another node." }];
  const replaced = await of({ ...realm.status, connectionState: "Error", conditions });
  assert.match(replaced, /Seen +30 s ago\n[^]*Trust the present node: keystone realm trust bob-home/);
});

Deno.test("-o json and yaml: without managedFields, and with everything else", async () => {
  const expected = { ...ending.metadata, managedFields: undefined };
  const [item] = (await run(["grant", "list", "-o", "json"])).json().items;
  assert.deepEqual(item.metadata, JSON.parse(JSON.stringify(expected)));
  assert.deepEqual([item.spec, item.status], [ending.spec, ending.status]);
  const yaml = load((await run(["grant", "list", "-o", "yaml"])).out) as { items: unknown[] };
  assert.deepEqual(yaml.items, [item]);
});

Deno.test("-o name: one resource and name a line; for other commands it is a usage error", async () => {
  assert.equal((await run(["realm", "list", "-o", "name"])).out, "realm.keystone.io/bob-home");
  assert.equal((await run(["superentity", "list", "-o", "name"])).out, "");
  const { code, err } = await run(["explain", "grant", "x", "-o", "name"]);
  assert.equal(code, 2);
  assert.match(err, /-o is name\. It must be one of text, wide, json, yaml\./);
});

Deno.test("a name that doesn't exist: the nearest is suggested, exit code 1", async () => {
  const { code, err } = await run(["grant", "list", "alice-to-bbo"]);
  assert.equal(code, 1);
  assert.equal(err, "Grant alice-to-bbo does not exist. Did you mean alice-to-bob?");
  assert.match((await run(["realm", "list", "bob-hom"])).err, /Realm bob-hom does not exist\. Did you mean bob-home\?/);
});

Deno.test("flags that leave nothing of a list: say so, and what there is", async () => {
  assert.match(
    (await run(["grant", "list", "--realm", "bob-hom"])).out,
    /no grants to bob-hom, but 1 other.*mean bob-home\?/,
  );
  assert.match((await run(["grant", "list", "--phase", "revoked"])).out, /no grants in phase Revoked, but 1 other/);
  const wrong = await run(["grant", "list", "--phase", "actives"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /--phase is actives\. It must be one of .* Did you mean Active\?/);
});

Deno.test("empty lists: say what to do next", async () => {
  const none = { [`${group}/grants`]: list(), [`${group}/realms`]: list() };
  assert.match((await run(["grant", "list"], none)).out, /^There are no grants.*\n {2}keystone grant create NAME --to/);
  assert.match((await run(["realm", "list"], none)).out, /^There are no realms.*\n {2}keystone realm add$/);
  assert.match((await run(["superentity", "list"], none)).out, /^There are no SuperEntities\. To create one/);
});

Deno.test("a grant that can't be read: is listed with the reason, and the others as usual", async () => {
  const odd = { ...grant("odd"), spec: { grantorRealm: "a", granteeRealm: "bob-home", hard: { cpu: "much" } } };
  const lists = { [`${group}/grants`]: list(odd, ending, { metadata: meta("empty") }) };
  const { out, code } = await run(["grant", "list"], lists);
  assert.deepEqual([code, out.split("\n").length], [0, 4]);
  assert.match((await run(["grant", "list", "odd"], lists)).out, /Its amounts can't be read: .*much/);
  assert.equal((await run(["realm", "list"], lists)).code, 0);
});

Deno.test("texts by others in a block: can't imitate another line or control the terminal", async () => {
  const entity = {
    metadata: meta("homes"),
    spec: { purpose: "a\n  State    Active\n\u001b[31m red", members: [{ realm: "bob-home" }] },
  };
  const { out } = await run(["superentity", "list", "homes"], { [`${group}/superentities`]: list(entity) });
  assert.match(out, /^ {2}Purpose {3}a ⏎ {3}State {4}Active ⏎ \ufffd\[31m red$/m);
  assert.match(out, /keystone superentity approve homes --realm bob-home/);
});

Deno.test("--server: another API server than the kubeconfig's; keystone kubeconfig has its own flag of that name", async () => {
  const { code, err } = await run(["realm", "list", "--server", "http://127.0.0.1:1"]);
  assert.equal(code, 4);
  assert.match(err, /^http:\/\/127\.0\.0\.1:1 .*didn't respond/);
  // Refused by the answers, so it asked the server of the kubeconfig.
  assert.equal((await run(["realm", "kubeconfig", "bob-home", "--server", "https://127.0.0.1:1"])).code, 3);
});

Deno.test("doctor --request-timeout: a server that doesn't answer is given up in time", async () => {
  const never = ({ signal }: Request) =>
    new Promise<Response>((resolve) => signal.addEventListener("abort", () => resolve(new Response())));
  const { code, err } = await run(["doctor", "--request-timeout", "200ms"], { "/version": never });
  assert.equal(code, 4);
  assert.match(err, /wasn't answered within 0\.2 s/);
});

Deno.test("a realm as a block: its grants, use and room", async () => {
  const { out } = await run(["realm", "list", "bob-home"]);
  for (
    const part of [
      /^Realm bob-home\n/,
      /Trust +partner/,
      /alice-to-bob: Active, ends in 30 d/,
      /limits\.cpu .*none left/,
      /No more pods/,
    ]
  ) {
    assert.match(out, part);
  }
});

Deno.test("the API server warns: each warning is on standard error once, in yellow on a terminal", async () => {
  const answer = () => Response.json(list(realm), { headers: { warning: '299 - "realms are old", 299 - "really"' } });
  const { err } = await run(["realm", "list"], { [`${group}/realms`]: answer });
  assert.equal(err, "Warning: realms are old\nWarning: really");
  const shown = await run(["realm", "list"], { [`${group}/realms`]: answer }, { terminal: true, width: 200 });
  // deno-lint-ignore no-control-regex
  assert.match(shown.err, /^\x1b\[33mWarning:\x1b\[39m realms are old$/m);
  const plain = await run(["realm", "list"], { [`${group}/realms`]: answer }, {
    terminal: true,
    width: 200,
    env: { TERM: "dumb" },
  });
  assert.ok(!(plain.out + plain.err).includes("\x1b"));
});
