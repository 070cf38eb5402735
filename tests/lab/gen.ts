/**
 * `deno task gen`: writes `crds/` and `docs/api.md` from `src/api`, `docs/cli-reference.md` from `src/cli`, the guest
 * guards and `docs/guards.md` from `deploy/guards`, the threat table of `docs/security.md` and `docs/attacks.md` from
 * `tests/hostile/threats.ts`, the table of charts' kinds in `docs/guests.md` from `src/core/admission/chart_values.ts`,
 * the tables of `docs/monitoring.md` from `src/server/metric_table.ts`, the chart's dashboard from
 * `deploy/dashboard.ts`, `lib/kubernetes_apis` and `src/api/client` from their committed OpenAPI documents, the table of
 * object kinds in guest namespaces (`src/core/guest/objects/mod.ts`) from the files beside it, and the copies of
 * `deploy/kustomize/base` and `crds/` in `deploy/chart`. Works offline; the same input gives the same files.
 *
 * `--chart` also renders the parts of `deploy/kustomize` that come from `deploy/chart`, with Helm, which the lab
 * builds. `--check` writes nothing, lists the files that differ and fails. `--refresh` starts a lab first and reads the
 * OpenAPI documents again from its API server, with the custom resources of `src/api`.
 */
import { parseArgs } from "node:util";
import { createRestClient, Kubeconfig } from "../../lib/kubernetes/mod.ts";
import { writeGenerated } from "../../lib/kubernetes_apis/generate/generate.ts";
import { refresh } from "../../lib/kubernetes_apis/generate/refresh.ts";
import { groups } from "../../src/api/client/all_groups.ts";
import { crdFiles } from "../../src/api/crd_files.ts";
import { apiReference } from "../../src/api/api_reference.ts";
import { chartFiles } from "../../deploy/chart_files.ts";
import { dashboardFile } from "../../deploy/dashboard.ts";
import { guardsPage } from "../../deploy/guards/page.ts";
import { guestGuards } from "../../deploy/guards/guest_guards.ts";
import { kustomizeFiles } from "../../deploy/kustomize_files.ts";
import { cliReference } from "../../src/cli/cli_reference.ts";
import { metricReference } from "../../src/server/metric_reference.ts";
import { attacksPage, securityPage } from "../hostile/hostile_attacks.ts";
import { refusedKindsTable } from "../../src/core/admission/chart_values.ts";
import { build } from "./build.ts";
import { startLab } from "./lab.ts";
import { objectTable } from "./object_table.ts";
import { withGeneratedPart } from "./page_part.ts";
import { poll } from "./poll.ts";

const page = (name: string): Promise<string> => Deno.readTextFile(new URL(`../../docs/${name}.md`, import.meta.url));
const crds = new URL("../../crds/", import.meta.url);

/** Writes the files below `crds/` that differ; returns their names. */
async function writeCrds(check: boolean): Promise<string[]> {
  const files = crdFiles();
  const differing: string[] = [];
  for (const [name, text] of files) {
    const present = await Deno.readTextFile(new URL(name, crds)).catch(() => undefined);
    if (present === text) continue;
    differing.push(`crds/${name}`);
    if (!check) await Deno.writeTextFile(new URL(name, crds), text);
  }
  for await (const { name } of Deno.readDir(crds)) {
    if (files.has(name)) continue;
    differing.push(`crds/${name}`);
    if (!check) await Deno.remove(new URL(name, crds));
  }
  return differing;
}

/** Writes the files that differ; the keys are paths from the project's root. */
async function writeFiles(files: ReadonlyMap<string, string>, check: boolean): Promise<string[]> {
  const differing: string[] = [];
  for (const [name, text] of files) {
    const file = new URL(`../../${name}`, import.meta.url);
    if (await Deno.readTextFile(file).catch(() => undefined) === text) continue;
    differing.push(name);
    if (!check) await Deno.writeTextFile(file, text);
  }
  return differing;
}

async function writeReference(name: string, text: string, check: boolean): Promise<string[]> {
  const file = new URL(`../../${name}`, import.meta.url);
  if (await Deno.readTextFile(file).catch(() => undefined) === text) return [];
  if (!check) await Deno.writeTextFile(file, text);
  return [name];
}

/** Reads the OpenAPI documents again from a lab's API server that serves `crds/`. */
async function refreshFromLab(): Promise<void> {
  await using lab = await startLab();
  const applied = await lab.kubectl(["apply", "-f", crds.pathname]);
  if (applied.code !== 0) throw new Error(`The API server refused crds/: ${applied.stderr.trim()}`);
  const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
  using rest = createRestClient(config, { userAgent: "keystone-gen" });
  // The server publishes the schemas of a new kind a moment after it has accepted the CRD.
  const published = () => refresh(rest, groups).then(() => true as const, (error: Error) => error.message);
  await poll("the OpenAPI of the custom resources is published", published, { withinMs: 30_000, everyMs: 200 });
}

const withMetrics = (page: string): string =>
  [...metricReference()].reduce((text, [source, part]) => withGeneratedPart(text, source, part), page);

const { values: { check = false, refresh: anew = false, chart = false } } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { check: { type: "boolean" }, refresh: { type: "boolean" }, chart: { type: "boolean" } },
});
const differing = [
  ...await writeCrds(check),
  ...await writeReference("docs/api.md", apiReference(), check),
  ...await writeReference("docs/cli-reference.md", cliReference(), check),
  // Before the chart, which copies this file.
  ...await writeReference("deploy/kustomize/base/guest-guards.yaml", guestGuards(), check),
  ...await writeReference("docs/guards.md", guardsPage(), check),
  ...await writeReference("docs/security.md", await securityPage(await page("security")), check),
  ...await writeReference(
    "docs/guests.md",
    withGeneratedPart(await page("guests"), "src/core/admission/chart_values.ts", refusedKindsTable()),
    check,
  ),
  ...await writeReference("docs/attacks.md", await attacksPage(), check),
  ...await writeReference("docs/monitoring.md", withMetrics(await page("monitoring")), check),
  ...await writeReference("deploy/chart/files/dashboard.json", dashboardFile(), check),
  ...await writeFiles(await objectTable(), check),
  ...await writeFiles(await chartFiles(), check),
];
if (chart) differing.push(...await writeFiles(await kustomizeFiles((await build(["helm"])).helm!), check));
if (anew) await refreshFromLab();
const root = new URL("../../", import.meta.url).pathname;
for (const path of await writeGenerated(groups, { check })) differing.push(path.slice(root.length));
for (const name of differing) console.log(check ? `${name} is out of date: run \`deno task gen\`.` : `wrote ${name}`);
if (check && differing.length > 0) Deno.exitCode = 1;
