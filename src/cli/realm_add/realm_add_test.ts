/** `keystone realm add` with flags, against answers of an API server and a tailscaled that are written here. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { keystone, type KeystoneOptions } from "../../../tests/fixtures/keystone_command.ts";
import { defaultSettings, trustedNodeAnnotation, trustLevels } from "../../api/mod.ts";
import type { OperatorContainer } from "../operator_workload.ts";
import { proposedName, subjectFrom, subjectsProblem, trustLine } from "./realm_draft.ts";

const group = "/apis/keystone.io/v1alpha1";
const present = {
  metadata: { name: "bob-home", uid: "r1", resourceVersion: "1" },
  spec: { identity: "Bob-Home.tailnet-name.ts.net", connectionType: "tailscale", trustLevel: "partner" },
};
const node = (name: string, id: string, more: Record<string, unknown> = {}) => ({
  ID: id,
  DNSName: name,
  HostName: name,
  OS: "linux",
  TailscaleIPs: ["100.64.0.9"],
  Online: true,
  ...more,
});
const statusOf = (suffix: string, ...peers: ReturnType<typeof node>[]) =>
  JSON.stringify({
    BackendState: "Running",
    Self: node(`alice-home.${suffix}.`, "nAlice"),
    MagicDNSSuffix: suffix,
    Peer: Object.fromEntries(peers.map((peer) => [peer.ID, peer])),
    User: {},
  });
const nodes = statusOf(
  "tailnet-name.ts.net",
  node("bob-home.tailnet-name.ts.net.", "nBob"),
  node("carol-home.tailnet-name.ts.net.", "nCarol", { Online: false }),
  node("twin.tailnet-name.ts.net.", "nTwin1"),
  node("twin.tailnet-name.ts.net.", "nTwin2"),
  node("plain.", "nPlain"),
  node("se-sto-wg-001.mullvad.ts.net.", "nVpn", { Tags: ["tag:mullvad-exit-node"] }),
);

interface Asked {
  /** Verbs that the user doesn't have. */
  refused?: readonly string[];
  realms?: readonly unknown[];
  /** Containers of the operator's StatefulSet. */
  containers?: readonly OperatorContainer[];
  options?: KeystoneOptions;
}

/** Runs the command; returns what it said, and the bodies that it posted to realms. */
async function run(
  args: readonly string[],
  { refused = [], realms = [present], containers, options = {} }: Asked = {},
) {
  const posted: { query: string; body: { metadata: { name: string; annotations?: Record<string, string> } } }[] = [];
  const reviewed: unknown[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname.endsWith("/selfsubjectaccessreviews")) {
      const { spec: { resourceAttributes } } = await request.json();
      reviewed.push(resourceAttributes);
      return Response.json({ status: { allowed: !refused.includes(resourceAttributes.verb) } }, { status: 201 });
    }
    if (request.method === "POST" && pathname === `${group}/realms`) {
      const body = await request.json();
      posted.push({ query: search, body });
      return Response.json({ ...body, metadata: { ...body.metadata, uid: "r9" } }, { status: 201 });
    }
    if (containers && pathname.endsWith("/statefulsets/keystone-operator")) {
      return Response.json({ metadata: { name: "keystone-operator" }, spec: { template: { spec: { containers } } } });
    }
    const items = pathname === `${group}/realms`
      ? realms
      : pathname === `${group}/superentities`
      ? [{ metadata: { name: "three-homes" }, spec: { members: [] } }]
      : undefined;
    return items
      ? Response.json({ metadata: { resourceVersion: "9" }, items })
      : Response.json({ kind: "Status", code: 404, message: "404 page not found" }, { status: 404 });
  });
  const { port } = server.addr as Deno.NetAddr;
  const kubeconfig = JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "c",
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: "u", user: {} }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
  });
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, kubeconfig);
  try {
    const said = await keystone(path, ["realm", "add", ...args], {
      files: { "nodes.json": nodes, "stopped.json": '{"BackendState": "Stopped"}' },
      ...options,
    });
    return { ...said, posted, reviewed };
  } finally {
    await Deno.remove(path);
  }
}
const carol = ["--identity", "carol-home.tailnet-name.ts.net"];

Deno.test("flags alone: the realm with its defaults, and what to do next", async () => {
  const { code, out, err, posted } = await run(carol);
  assert.equal(code, 0, err);
  assert.deepEqual(posted, [{
    query: "",
    body: {
      apiVersion: "keystone.io/v1alpha1",
      kind: "Realm",
      metadata: { name: "carol-home" },
      spec: { identity: "carol-home.tailnet-name.ts.net", connectionType: "tailscale", trustLevel: "public" },
    },
  }]);
  assert.match(
    out,
    /^Realm carol-home created: .*public, the first node with this name will be trusted\.\n.*--to carol-home$/,
  );
});

Deno.test("all flags: each is a field; the server's dry run has its query", async () => {
  const { code, err, posted } = await run([
    "carol",
    "--identity=Carol-Home.example.org.",
    "--trust=partner",
    "--subject=carol@example.com",
    "--subject=group:keystone:realm:carol",
    "--connection-type=headscale",
    "--node=7",
    "--dry-run=server",
  ]);
  assert.equal(code, 0, err);
  assert.equal(posted[0]!.query, "?dryRun=All");
  assert.deepEqual(posted[0]!.body, {
    apiVersion: "keystone.io/v1alpha1",
    kind: "Realm",
    metadata: { name: "carol", annotations: { [trustedNodeAnnotation]: "7" } },
    spec: {
      identity: "carol-home.example.org",
      connectionType: "headscale",
      trustLevel: "partner",
      subjects: [{ kind: "User", name: "carol@example.com" }, { kind: "Group", name: "keystone:realm:carol" }],
    },
  });
});

Deno.test("client dry run: prints the realm as YAML with or without -o, and needs no API server", async () => {
  for (const format of [[], ["-o", "yaml"]]) {
    const { code, out } = await keystone(undefined, ["realm", "add", ...carol, "--dry-run=client", ...format]);
    assert.equal(code, 0);
    assert.equal((load(out) as { metadata: { name: string } }).metadata.name, "carol-home");
  }
});

Deno.test("a list of nodes: a short name is enough, and the node's ID is pinned", async () => {
  for (
    const [args, options] of [
      [["-f", "nodes.json"], {}],
      [["-f", "-"], { stdin: nodes }],
    ] as const
  ) {
    const { code, err, posted } = await run(["--identity", "Carol-Home", ...args], { options });
    assert.equal(code, 0, err);
    assert.deepEqual(posted[0]!.body.metadata, {
      name: "carol-home",
      annotations: { [trustedNodeAnnotation]: "nCarol" },
    });
  }
});

Deno.test("the suffix is a Headscale's: so is the connection type", async () => {
  const files = { "nodes.json": statusOf("tailnet.example.org", node("carol.tailnet.example.org.", "7")) };
  const { posted } = await run(["--identity=carol", "--filename=nodes.json"], { options: { files } });
  assert.deepEqual((posted[0]!.body as unknown as { spec: unknown }).spec, {
    identity: "carol.tailnet.example.org",
    connectionType: "headscale",
    trustLevel: "public",
  });
});

Deno.test("no list, and a name outside of ts.net: the connection type is headscale", async () => {
  const { posted } = await run(["--identity=dora.tailnet.example.org"]);
  assert.equal((posted[0]!.body as unknown as { spec: { connectionType: string } }).spec.connectionType, "headscale");
});

/** The operator's pod with a sidecar on a Headscale, as the chart writes it. */
const onHeadscale: OperatorContainer[] = [
  { name: "operator" },
  { name: "front", env: [{ name: "KEYSTONE_TAILNET_LISTEN", value: "127.0.0.1:8443" }] },
  {
    name: "tailscaled",
    env: [
      { name: "TS_HOSTNAME", value: "alice-home" },
      { name: "TS_EXTRA_ARGS", value: "--accept-routes --login-server=https://headscale.example.org" },
    ],
  },
];

Deno.test("the operator's sidecar is on a Headscale whose names end with ts.net: so is the realm", async () => {
  for (const args of [carol, ["--identity=carol-home", "--filename=nodes.json"]]) {
    const { posted } = await run(args, { containers: onHeadscale });
    assert.equal((posted[0]!.body as unknown as { spec: { connectionType: string } }).spec.connectionType, "headscale");
  }
});

Deno.test("no identity and no terminal: the nodes that are no realm, and not the operator's", async () => {
  const files = {
    "nodes.json": statusOf(
      "tailnet-name.ts.net",
      node("bob-home.tailnet-name.ts.net.", "nBob"),
      node("carol-home.tailnet-name.ts.net.", "nCarol", { Online: false }),
      node("alice-home-1.tailnet-name.ts.net.", "nAlice1"),
      node("alice-home-office.tailnet-name.ts.net.", "nOffice"),
    ),
  };
  const { code, err, posted } = await run(["--filename=nodes.json"], { containers: onHeadscale, options: { files } });
  assert.deepEqual([code, posted], [2, []]);
  assert.match(
    err,
    /^--identity is not set\. .*has alice-home-office\.\S+ \(online\), carol-home\.\S+ \(offline\)\.$/,
  );
});

Deno.test("no node has the name yet: a warning, and no pin", async () => {
  const { code, err, posted } = await run(["--identity=new.tailnet-name.ts.net", "--filename=nodes.json"]);
  assert.equal(code, 0);
  assert.match(err, /Warning: no node .* new\.tailnet-name\.ts\.net yet/);
  assert.equal(posted[0]!.body.metadata.annotations, undefined);
});

const refusals: [name: string, args: string[], code: number, says: RegExp][] = [
  ["no identity", [], 2, /--identity is not set/],
  ["a short name without a list", ["--identity=carol-home"], 2, /--identity carol-home must be a full MagicDNS name/],
  ["a name that can't be one", ["Carol", ...carol], 2, /The name Carol must be of lowercase letters/],
  ["the reserved name", ["internet", ...carol], 2, /internet is reserved/],
  ["a realm's name", ["bob-home", ...carol], 1, /bob-home already exists/],
  ["a SuperEntity's name", ["three-homes", ...carol], 1, /three-homes already exists/],
  ["the node of a realm", ["bob", "--identity=bob-home.tailnet-name.ts.net."], 1, /identity of realm bob-home/],
  ["no possible name", ["--identity=internet.example.org"], 2, /The name is missing, and internet can't be one/],
  ["a reserved subject", [...carol, "--subject=Group:system:masters"], 2, /--subject is Group:system:masters/],
  ["another realm's group", [...carol, "--subject=Group:keystone:realm:bob-home"], 2, /group of another realm/],
  ["an empty subject", [...carol, "--subject=User:"], 2, /entry without a name/],
  ["an unknown trust level", [...carol, "--trust=friend"], 2, /Allowed choices are internal, partner, public/],
  ["an ID that can't be one", [...carol, "--node=a b"], 2, /--node is a b/],
  [
    "several nodes with the name",
    ["--identity=twin", "--filename=nodes.json"],
    1,
    /twin.*\(nTwin1\), .*\(nTwin2\).*--node/,
  ],
  [
    "another node's ID",
    ["--identity=carol-home", "--node=nBob", "--filename=nodes.json"],
    1,
    /--node is nBob, but .* is nCarol/,
  ],
  ["a file that is no list", [...carol, "--filename=/dev/null"], 2, /not the output of tailscale status --json/],
  ["a file that isn't there", [...carol, "--filename=/nowhere"], 2, /-f \/nowhere can't be read/],
  [
    "a stopped tailnet",
    [...carol, "--filename=stopped.json"],
    4,
    /tailscaled at stopped\.json is stopped; run tailscale up/,
  ],
  ["a node without a domain", ["--identity=plain", "--filename=nodes.json"], 2, /plain must be a full MagicDNS name/],
  ["a socket that isn't there", [...carol, "--ts-socket=/nowhere"], 4, /\/nowhere/],
];
for (const [name, args, code, says] of refusals) {
  Deno.test(`${name}: refused, and nothing is sent`, async () => {
    const said = await run(args);
    assert.equal(said.code, code, said.err);
    assert.match(said.err, says);
    assert.deepEqual(said.posted, []);
  });
}

Deno.test("TS_SOCKET can't be read, and the full name is given: a warning only", async () => {
  const { code, err, posted } = await run(carol, { options: { env: { TS_SOCKET: "/nowhere" } } });
  assert.deepEqual([code, posted.length], [0, 1]);
  assert.match(err, /Warning: the tailnet can't be read: .*\/nowhere/);
});

Deno.test("one of several namesakes by its ID: pinned", async () => {
  const { posted } = await run(["--identity=twin", "--node=nTwin2", "--filename=nodes.json"]);
  assert.deepEqual(posted[0]!.body.metadata.annotations, { [trustedNodeAnnotation]: "nTwin2" });
});

Deno.test("without the verb trust or create: forbidden before anything is read, with the verbs", async () => {
  const { code, err, posted, reviewed } = await run(["carol", ...carol], { refused: ["trust"] });
  assert.deepEqual([code, posted], [3, []]);
  assert.match(err, /you don't have the verb trust on realms/);
  assert.deepEqual(reviewed, [
    { group: "keystone.io", resource: "realms", verb: "create", name: "carol" },
    { group: "keystone.io", resource: "realms", verb: "trust", name: "carol" },
  ]);
  const both = await run([], { refused: ["create", "trust"] });
  assert.equal(both.code, 3);
  assert.match(both.err, /the verbs create and trust/);
});

Deno.test("the proposed name is the node's, unless it can't be a realm's", () => {
  const taken = { names: new Set(["bob-home"]), identities: new Map() };
  assert.equal(proposedName("Carol-Home.x.ts.net.", taken), "carol-home");
  assert.equal(proposedName(`${"a".repeat(56)}-bcd.x.ts.net`, taken), "a".repeat(56));
  for (const identity of ["bob-home.x.ts.net", "internet.x.ts.net", "under_score.x", "-.x"]) {
    assert.equal(proposedName(identity, taken), undefined);
  }
});

Deno.test("subjects: a kind before the name, or a user; colons belong to the name", () => {
  assert.deepEqual(subjectFrom(" bob@example.com "), { kind: "User", name: "bob@example.com" });
  assert.deepEqual(subjectFrom("oidc:bob"), { kind: "User", name: "oidc:bob" });
  assert.deepEqual(subjectFrom("user:group:x"), { kind: "User", name: "group:x" });
  assert.deepEqual(subjectFrom("GROUP: a:b"), { kind: "Group", name: "a:b" });
  assert.equal(subjectsProblem([{ kind: "Group", name: "keystone:realm:a" }], "a"), undefined);
  assert.match(subjectsProblem(Array(33).fill(subjectFrom("a")))!, /at most 32/);
});

Deno.test("trust levels: one line each, which fits beside a question on a narrow terminal", () => {
  const lines = trustLevels.map((level) => `${level}: ${trustLine(level, defaultSettings)}`);
  assert.deepEqual(lines, [
    "internal: your own cluster; your LAN too, if named, load balancers, pods baseline",
    "partner: people you know; the internet, not your LAN, pods restricted",
    "public: anybody; only their own node, at most 30 days, no DNS, pods restricted",
  ]);
  assert.ok(lines.every((line) => line.length <= 90));
});
