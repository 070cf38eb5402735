/** The security pages match the code: their numbers, ranges, rights and messages are compared with the source. */
import assert from "node:assert/strict";
import { load, loadAll } from "js-yaml";
import { MAX_SKEW_MS } from "../lib/kubernetes/mod.ts";
import { most as mostQuantity } from "../lib/quantity/quantity.ts";
import { defaultSettings, type TrustLevel, trustLevels } from "../src/api/mod.ts";
import { cidr } from "../src/core/address.ts";
import { maxFlowSubjects } from "../src/core/plan_guest_flow.ts";
import { maxGraceSeconds } from "../src/core/guest/drain.ts";
import { destinationsOf } from "../src/core/guest/objects/grant_policy.ts";
import { alwaysPrivate, alwaysProtected } from "../src/core/network/special_ranges.ts";
import { fastestBytesPerMs, guestWritesAt } from "../src/core/database_storage.ts";
import { defaultTiming } from "../src/dns/name_records.ts";
import { defaultBounds } from "../src/front/bounded_server.ts";
import { deepest, mostValues } from "../src/front/review.ts";

const root = new URL("../", import.meta.url);
const read = (path: string): string => Deno.readTextFileSync(new URL(path, root));
const inOneLine = (text: string): string => text.replaceAll(/\s+/g, " ");
const page = (name: string): string => inOneLine(read(`docs/${name}.md`));

/** Asserts that a page contains each of these texts. */
function says(name: string, ...texts: readonly string[]): void {
  const text = page(name);
  for (const each of texts) assert.ok(text.includes(each), `docs/${name}.md doesn't contain: ${each}`);
}

/** Returns the cells of the table row with this first cell. */
function row(name: string, first: string): string[] {
  const rows = read(`docs/${name}.md`).split("\n").filter((line) => line.startsWith("| "))
    .map((line) => line.replace(/^\| | *\|$/g, "").split(/ +\| /));
  const found = rows.find(([cell]) => cell === first);
  assert.ok(found, `docs/${name}.md has no row ${first}`);
  return found;
}

interface Role {
  kind: string;
  metadata: { name: string };
  rules: { apiGroups?: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[];
}

const seconds = (ms: number): string => `${ms / 1000} s`;
const withCommas = (number: number): string => number.toLocaleString("en-US");

Deno.test("docs/admission.md: the bounds are those of the front", () => {
  const { connections, head, body, longestBody, kept, shortBody, handshakeMs, headMs, requestMs } = defaultBounds;
  says(
    "admission",
    `| connections | ${connections}. Above that`,
    `| handshake · head · whole request | ${[handshakeMs, headMs, requestMs].map(seconds).join(" · ")} |`,
    `| head | ${head / 1024} KiB`,
    `| review | ${body / 2 ** 20} MiB and ${withCommas(mostValues)} values;`,
    `Above ${longestBody / 2 ** 20} MiB or ${deepest} levels it is turned away`,
    `| ${kept / 2 ** 20} MiB; those up to ${shortBody / 1024} KiB always have room`,
  );
});

Deno.test("docs/security.md: the front and the guests have the rights that their roles give", () => {
  const words: Readonly<Record<string, string>> = {
    cronjobs: "workloads",
    daemonsets: "workloads",
    deployments: "workloads",
    endpointslices: "API server's addresses",
    horizontalpodautoscalers: "autoscalers",
    jobs: "workloads",
    limitranges: "limits",
    persistentvolumeclaims: "PersistentVolumeClaims",
    poddisruptionbudgets: "PodDisruptionBudgets",
    pods: "workloads",
    "pods/attach": "attach",
    "pods/eviction": "evictions",
    "pods/exec": "exec",
    "pods/log": "logs",
    "pods/portforward": "port-forward",
    replicasets: "workloads",
    replicationcontrollers: "workloads",
    resourcequotas: "quotas",
    rolebindings: "bindings",
    "serviceaccounts/token": "create tokens of the realms' accounts",
    servicecidrs: "ranges of Services",
    statefulsets: "workloads",
  };
  const rules = (path: string, name: string) =>
    (loadAll(read(`deploy/kustomize/${path}`)) as unknown as Role[])
      .filter(({ kind, metadata }) => kind.endsWith("Role") && metadata.name === name).flatMap(({ rules }) => rules);
  const may = (first: string) => row("security", first)[1]!.toLowerCase();
  const front = rules("webhook/webhook.yaml", "keystone-front");
  const readable = "get,list,watch";
  const guests = rules("base/guest-role.yaml", "keystone-guest").filter(({ verbs }) => `${verbs}` !== readable);
  for (
    const [first, granted] of [
      ["the front, which answers admission reviews and the tailnet", front],
      ["guests (the realm's `subjects`)", guests],
    ] as const
  ) {
    for (const resource of granted.flatMap(({ resources }) => resources)) {
      const word = words[resource.replace(/\/scale$/, "")] ?? resource;
      assert.ok(may(first).includes(word.toLowerCase()), `${first}: ${resource}`);
    }
  }
  assert.deepEqual([...new Set(front.flatMap(({ verbs }) => verbs))], ["list", "watch", "create"]);
  const written = front.filter(({ verbs }) => verbs.includes("create")).flatMap(({ resources }) => resources);
  assert.deepEqual(written, ["serviceaccounts/token"]);
});

Deno.test("docs/security.md: everything that a compromised operator could read in the whole cluster is named", () => {
  const words: Readonly<Record<string, string>> = {
    ciliumnodes: "pools of network plugins",
    ciliumpodippools: "pools of network plugins",
    clusterrolebindings: "ClusterRoles and their bindings",
    ippools: "pools of network plugins",
    networks: "pools of network plugins",
    persistentvolumeclaims: "claims",
    servicecidrs: "ranges of Services",
    subnets: "pools of network plugins",
  };
  const left = row("security", "the operator is compromised")[2]!.split("The fence judges writes only")[1]!
    .toLowerCase();
  const rules = (loadAll(read("deploy/kustomize/base/rbac.yaml")) as unknown as Role[])
    .filter(({ kind }) => kind === "ClusterRole").flatMap(({ rules }) => rules);
  const readable = rules.filter(({ apiGroups, resourceNames, verbs }) =>
    apiGroups && !apiGroups.includes("keystone.io") && !resourceNames && verbs.includes("list")
  ).flatMap(({ resources }) => resources);
  assert.ok(readable.length > 8);
  assert.deepEqual(readable.filter((name) => !left.includes((words[name] ?? name).toLowerCase())), []);
});

Deno.test("docs/security.md: numbers are those of the code", () => {
  const { quotaBackendBytes, closeGuestWritesAt } = defaultSettings.storage;
  const podsCloseAt = [0.85, 0.89, 0.9, 0.91].find((share) =>
    guestWritesAt(share * quotaBackendBytes!, "Open", defaultSettings.storage) === "PodsClosed"
  );
  const { shortestHoldMs, longestTtlMs, graceMs } = defaultTiming;
  assert.deepEqual([shortestHoldMs, 2 * longestTtlMs, graceMs], [60_000, 2 * 3_600_000, 5 * 60_000]);
  assert.equal(mostQuantity, 10n ** 64n * 10n ** 9n);
  says(
    "security",
    `has room for ${withCommas(maxFlowSubjects - 1)} Users`,
    `from ${closeGuestWritesAt! * 100} % on guests can read and delete but not write, and from ${
      podsCloseAt! * 100
    } % on no pods`,
    `more than ${fastestBytesPerMs / 1000} MB/s`,
    "counted as at most 10^64",
    "at least one minute and at most two hours; while DNS fails, the last answer stays in force for five minutes",
    `differ by more than ${seconds(MAX_SKEW_MS)}`,
    `within \`termination.drainSeconds\` and ${maxGraceSeconds} s more`,
    `${defaultSettings.trust.internal.history} by default`,
  );
});

Deno.test("docs/security.md: trust levels are as their defaults", () => {
  const levels = (of: (level: TrustLevel) => boolean) => trustLevels.filter(of).join(", ");
  assert.equal(levels((level) => !defaultSettings.trust[level].dns), "public");
  assert.equal(levels((level) => defaultSettings.trust[level].podSecurity === "baseline"), "internal");
  assert.equal(levels((level) => defaultSettings.trust[level].egress === "any"), "internal");
  assert.equal(levels((level) => defaultSettings.trust[level].egress === "realm"), "public");
  assert.equal(levels((level) => defaultSettings.trust[level].podTokens), trustLevels.join(", "));
  assert.equal(defaultSettings.maxPriority, 0);
  says("security", "`restricted` (`baseline` for `internal`)", "(off for `public`)", "`maxPriority` is 0");
});

Deno.test("docs/network.md: each range that it names is in the tier of its row", () => {
  const named = [...row("network", "private")[1]!.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
  assert.ok(named.length > 6);
  assert.deepEqual(named.filter((text) => !alwaysPrivate.some((range) => cidr(range) === text)), []);
  for (const text of ["2001::/32", "64:ff9b:1::/48"]) assert.ok(alwaysProtected.some((range) => cidr(range) === text));
  const { tailnet, nat64 } = defaultSettings.clusterRanges;
  assert.ok(tailnet.includes("100.64.0.0/10"));
  says("network", `NAT64 (\`${nat64[0]}\`)`, "Your own NAT64 prefixes (`64:ff9b:1::/48`) are protected");
});

Deno.test("docs/network.md: the message in the example is the operator's", () => {
  const world = {
    realm: undefined,
    namespace: undefined,
    settings: defaultSettings,
    cluster: { ranges: [], extendedKeys: [], storageClasses: [] },
    realmNamed: () => undefined,
    addressesOfName: () => undefined,
  };
  const { resolved: [all] } = destinationsOf(world, { destinations: ["0.0.0.0/0"], except: [], within: [] });
  const [first] = all!.narrowed!.split(". To open one");
  says("network", `web: ${first}. To open …`);
});

Deno.test("docs/install.md: the overlays and values that it names exist", () => {
  const values = load(read("deploy/chart/values.yaml")) as Record<string, unknown>;
  const text = page("install");
  for (const [, overlay] of text.matchAll(/overlays\/([a-z-]+)/g)) {
    assert.ok(Deno.statSync(new URL(`deploy/kustomize/overlays/${overlay}/Kustomization`, root)).isFile, overlay);
  }
  for (const [, path] of text.matchAll(/(?:--set |`)((?:tailscale|webhook|image|config)\.[A-Za-z.]+)/g)) {
    // A removed value, documented as such; and parts of the operator's own configuration.
    if (path === "tailscale.stateSecret" || path!.startsWith("config.")) continue;
    const [section, key] = path!.split(".");
    assert.ok(key! in (values[section!] as object), path);
  }
});

Deno.test("docs/adr: each record has the form of its index, which lists it", () => {
  const index = read("docs/adr/README.md");
  const names = [...Deno.readDirSync(new URL("docs/adr/", root))].map(({ name }) => name).filter((name) =>
    /^\d/.test(name)
  );
  for (const name of names) {
    const text = read(`docs/adr/${name}`);
    const [, number, decision] =
      text.match(/^# (\d{4}) (.+)\n\n- \*\*Status:\*\* \S+\n- \*\*Date:\*\* \d{4}-\d\d-\d\d/) ?? [];
    assert.ok(decision && name.startsWith(`${number}-`), `${name}: number, decision, status and date`);
    const sections = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(sections.filter((each) => each !== "Alternatives"), ["Context", "Decision", "Consequences"], name);
    assert.ok(
      index.includes(`[${number}](${name})`) && index.includes(decision),
      `docs/adr/README.md doesn't list ${name}`,
    );
  }
});
