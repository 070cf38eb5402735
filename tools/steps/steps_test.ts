import assert from "node:assert/strict";
import { load } from "js-yaml";
import { chosenSteps, steps } from "./steps.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => Deno.readTextFileSync(new URL(path, root));
const names = (options: Parameters<typeof chosenSteps>[0]): string[] => chosenSteps(options).map(({ name }) => name);

const workflows = ["ci.yml", "release.yml"];

interface Job {
  uses?: string;
  "timeout-minutes"?: number;
  steps?: { uses?: string; run?: string }[];
}

function jobsOf(workflow: string): Job[] {
  return Object.values((load(read(`.github/workflows/${workflow}`)) as { jobs: Record<string, Job> }).jobs);
}

Deno.test("workflows: actions are pinned by commit, with their version; each job has a timeout", () => {
  for (const workflow of workflows) {
    const uses = read(`.github/workflows/${workflow}`).split("\n").filter((line) => /\buses: (?!\.\/)/.test(line));
    assert.ok(uses.length > 0, workflow);
    assert.deepEqual(uses.filter((line) => !/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line)), [], workflow);
    const endless = jobsOf(workflow).filter((job) => job.uses === undefined && job["timeout-minutes"] === undefined);
    assert.deepEqual(endless, [], workflow);
  }
});

Deno.test("ok: all steps but the quick tests, the tests last; check: nothing that needs a lab", () => {
  assert.equal(names({}).at(-1), "tests");
  assert.ok(!names({}).includes("quick"));
  assert.ok(names({ fast: true }).includes("quick") && !names({ fast: true }).includes("tests"));
});

Deno.test("steps by name: only these, or all but these; an unknown name is refused", () => {
  assert.deepEqual(names({ only: ["lint", "words"] }).sort(), ["lint", "words"]);
  assert.deepEqual(names({ except: ["tests"] }), names({}).slice(0, -1));
  assert.throws(() => chosenSteps({ except: ["test"] }), /There is no step test; the steps are format, /);
});

Deno.test(".ci/run, deno task ok and the workflows take their steps from this list, and no others", () => {
  const tasks: Record<string, { command: string }> = JSON.parse(read("deno.json")).tasks;
  assert.match(tasks.ok!.command, /tools\/steps\/main\.ts$/);
  assert.match(tasks.check!.command, /tools\/steps\/main\.ts --fast$/);
  const script = read(".ci/run").split("\n").filter((line) => !/^\s*#/.test(line));
  assert.deepEqual(
    script.filter((line) => line.includes("deno[@]")).map((line) => line.replace(/.*deno\[@\]\}" /, "").trim()),
    ["task ok --except tests", "task test"],
  );
  for (const workflow of workflows) {
    const commands = jobsOf(workflow).flatMap(({ steps = [] }) => steps.map(({ run }) => run ?? ""));
    const direct = commands.filter((run) => /deno (fmt|lint|check|doc|test)\b/.test(run));
    assert.deepEqual(direct, [], workflow);
  }
});

Deno.test("each step has its own name", () => {
  assert.equal(new Set(steps.map(({ name }) => name)).size, steps.length);
});

Deno.test("one version of Deno: in CI, in the image, in the development container and in the docs", () => {
  const places = [".ci/run", ".github/workflows/release.yml", ".devcontainer/Containerfile", "deploy/Containerfile"];
  const pages = ["README.md", "CONTRIBUTING.md", "docs/install.md"];
  const found = [...places, ...pages].flatMap((path) =>
    [...read(path).matchAll(/(?:\bdeno@|DENO_VERSION=)(\d[\d.]*\d)/g)].map(([, version]) => `${path}: ${version}`)
  );
  for (const path of places) assert.ok(found.some((place) => place.startsWith(path)), path);
  assert.equal(new Set(found.map((place) => place.split(": ")[1])).size, 1, found.join("\n"));
});

Deno.test("cspell is not in deno.lock, whose packages are all fetched into the image", () => {
  assert.doesNotMatch(read("deno.lock"), /cspell/);
});
