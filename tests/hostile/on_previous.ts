/**
 * `deno task test:previous [WORD…]`: runs today's tests against the guards, chart and operator of the version before the
 * hardening against hostile guests. Each finding has to fail there in its test, for its own reason. Words select findings.
 */
import { runCommand } from "../lab/command.ts";
import { replaced } from "../fixtures/previous/instead.ts";
import { unpackPrevious } from "../fixtures/previous/previous.ts";
import { attacksOf } from "./hostile_attacks.ts";
import type { ThreatSource } from "./threats.ts";

/** An attack that succeeded on that version, the test that tries it, and the failure that shows it. */
export type Finding = [what: string, by: ThreatSource, red: RegExp];

const reading = "hostile/reading_test.ts";
const ends = "hostile/ends_test.ts";
const closing = "hostile/hostile_closing_test.ts";
const loopback = "tailnet/metrics_on_loopback_test.ts";
const network = "hostile/hostile_network_test.ts: 0.0.0.0/0, ::/0 and internet: cyclonus finds only the internet open";
const guard = (what: string, name: string, title: string): Finding => [
  what,
  "hostile/hostile_guards_test.ts: all N attacks of the table are refused",
  new RegExp(`^(Uncaught \\w+: )?${name}: ${title}.*, as a \\w+: it goes through$`, "m"),
];

export const findings: readonly Finding[] = [
  [
    "a pod of 1e1002 devices",
    `${reading}: a pod that requests 1e1002 of a resource: drained like any other`,
    /odd, plain/,
  ],
  [
    "revisions without number",
    "hostile/counting_test.ts: the quota enforces every key of those bounds",
    /controllerrevisions/,
  ],
  [
    "fat finished pods",
    `${reading}: finished and very large pods: drained, and the operator's memory stays bounded`,
    /\d MB/,
  ],
  [
    "a namespace in deletion",
    `${closing}: namespace deleted shortly before the end, with a pod of one hour's grace: the pod gets 30 s`,
    /access is removed|the pod gets 30 s/,
  ],
  [
    "an account of the Realm before",
    `${ends}: a Realm is created again for somebody else: the old kubeconfig stops working`,
    /No resources found/,
  ],
  [
    "a stranger at the webhook",
    "hostile/front_test.ts: 12 s of flood: the grant ends on time, and each review of the API server is answered",
    /the operator took \d+ bytes|were not judged|is Expired|ms late/,
  ],
  [
    "a device that no node offers yet",
    `${reading}: a device requested before any node offered it: the pod is removed once a node does`,
    /Timed out after \d+ s: .*early/,
  ],
  [
    "a restored namespace",
    `${ends}: a namespace restored from a backup: not deleted, its data stays`,
    /is deleted with its volumes \(Retain\)/,
  ],
  guard("a claim of the class ''", "claim-class", 'a claim of the class ""'),
  guard("a claim's selector", "claim-selector", "a claim that chooses its volume"),
  [
    "write access to Realms",
    "hostile/hostile_realms_test.ts: Eve edits Bob's Realm: refused, and Bob's Secrets stay unreadable",
    /strictly unequal/,
  ],
  guard("a volume that the node mounts", "volume-types", "a pod with a volume of type nfs"),
  guard("an inline csi volume", "volume-types", "a pod with a volume of type csi"),
  ["a LAN by 0.0.0.0/0", network, /a NAS in the LAN/],
  guard("a node of the tailnet by an annotation", "metadata-keys", "a Service that becomes a node of the tailnet"),
  guard("the LAN by an annotation", "metadata-keys", "a pod that joins the LAN"),
  [
    "an immutable ConfigMap",
    `${closing}: the guest makes the operator's ConfigMap immutable: refused, or replaced`,
    /the ConfigMap is replaced/,
  ],
  guard("a claim that never goes", "finalizers", "an object that can't be deleted"),
  guard("a workload whose claims never go", "pod-finalizers", "a workload whose claims can't be deleted"),
  [
    "load balancers after a cut",
    `${ends}: fewer load balancers and node ports granted: the newest Services become internal`,
    /only the newest Service/,
  ],
  [
    "a node's odd status",
    `${reading}: a node with a malformed status: an operator starts all the same`,
    /Enforcing grants/,
  ],
  ["a Realm named constructor", `${closing}: a Realm named constructor: ends like any other`, /pods: 5/],
  guard("a probe that asks a neighbour", "probe-hosts", "a pod whose \\w+Probe connects to a neighbor of the node"),
  guard("a runtime that gives all devices", "runtime-class", "a pod with a RuntimeClass that gives all devices"),
  guard("a variable that gives all devices", "device-variables", "a pod that sees all GPUs"),
  ["a node's address beside the tailnet", network, /a node from outside/],
  [
    "devices of a DeviceClass",
    "api/malformed_test.ts: N N: N values are refused, naming field and value",
    /gpu\.deviceclass\.resource\.k8s\.io\/devices: grant.* (created|configured)/,
  ],
  ["a token in the sidecar", "api/helm_chart_test.ts: refuses N", /tailscaled has \S*token/],
  [
    "loopback through the sidecar",
    `${loopback}: health, metrics and webhook on loopback: closed, and the log says why`,
    /200 OK/,
  ],
  guard("a priority above home's", "priority", "a pod that preempts the owner's pods"),
];

/** Runs a test file on the version in the folder; returns the failed tests and steps with their messages. */
async function failuresOf(file: string, folder: string): Promise<[name: string, said: string][]> {
  const root = new URL("../..", import.meta.url);
  const at = (path: string) => new URL(path, root).href;
  const instead = at("tests/fixtures/previous/instead.ts");
  const { imports, nodeModulesDir } = JSON.parse(await Deno.readTextFile(at("deno.json").slice(7)));
  const config = {
    nodeModulesDir,
    lock: { path: at("deno.lock").slice(7), frozen: true },
    imports: { ...imports, ...Object.fromEntries(replaced.map((path) => [at(path), instead])) },
    scopes: { [at("tests/fixtures/previous/")]: Object.fromEntries(replaced.map((path) => [at(path), at(path)])) },
  };
  await Deno.writeTextFile(`${folder}deno.json`, JSON.stringify(config));
  const said = `${folder}junit.xml`;
  await Deno.remove(said).catch(() => {});
  const args = ["test", "--no-check", "-A", `--config=${folder}deno.json`, `--junit-path=${said}`, at(`tests/${file}`)];
  await runCommand(Deno.execPath(), args, { env: { KEYSTONE_PREVIOUS: folder }, timeoutMs: 900_000 });
  const text = await Deno.readTextFile(said);
  return [...text.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<failure message="([^"]*)"/g)].map((
    [, name, said],
  ) => [plain(name!), plain(said!)]);
}

const plain = (xml: string): string =>
  xml.replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&apos;", "'")
    .replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))).replaceAll("&amp;", "&");

if (import.meta.main) {
  const chosen = findings.filter((finding) => Deno.args.every((word) => finding.join(" ").includes(word)));
  await using previous = await unpackPrevious();
  let green = 0;
  for (const [file, of] of Map.groupBy(chosen, ([, by]) => by.slice(0, by.indexOf("_test.ts") + 8))) {
    const failures = await failuresOf(file, previous.root);
    for (const [what, by, red] of of) {
      const [{ name } = { name: "" }] = await attacksOf(by);
      const named = new RegExp(`(^|> )${name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/\bN\b/g, ".*")}$`);
      const of = failures.filter(([name]) => named.test(name)).map(([, said]) => said);
      const line = of.flatMap((said) => said.split("\n")).find((line) => red.test(line));
      if (line === undefined) green++;
      console.log(
        `${line === undefined ? "GREEN" : "red"}  ${what} (${file}): ${line ?? (of.join("\n") || "passes")}`,
      );
    }
  }
  console.log(`\n${chosen.length - green} of ${chosen.length} are red on ${previous.commit.slice(0, 7)}`);
  // Not Deno.exit: the unpacked folder is removed at the end of this block.
  Deno.exitCode = green === 0 && chosen.length > 0 ? 0 : 1;
}
