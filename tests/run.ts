/**
 * Runs the test suites one by one and prints a summary: `deno task test [SUITE…]`.
 *
 * Tests that need a node with real pods run where possible. `KEYSTONE_E2E` decides otherwise: `auto` (default) reports that
 * they were not run and why, `require` fails, `off` skips them.
 */
import { startLab } from "./lab/lab.ts";
import { browserObstacle, imageObstacle, nodeObstacle, prometheusObstacle } from "./lab/node_obstacle.ts";

interface Suite {
  name: string;
  what: string;
  /** Arguments of `deno test`. */
  args: string[];
  /** True for a campaign, run by `deno run`, which prints its own counts. */
  campaign?: true;
  /** Groups of tools that have to be built for the lab. */
  lab: string[];
  /** `all` if the suite needs a node, `some` if a part of it does. */
  node?: "all" | "some";
  /** True if a part of the suite needs the operator's image. */
  image?: boolean;
  /** True if a part of the suite needs Prometheus. */
  prometheus?: boolean;
  /** True if it needs a browser. */
  browser?: boolean;
  /** True if its files share one cluster (`sharedLab`), because starting one takes longer than most of them. */
  oneLab?: boolean;
}

// Fast suites first: their failures don't wait for a cluster.
const suites: Suite[] = [
  {
    name: "unit",
    what: "pure core, libraries, documentation examples",
    args: [
      "--doc",
      "--parallel",
      "lib",
      "src",
      "deploy",
      "bench",
      "tools",
      "tests/soak",
      "tests/architecture_test.ts",
      "tests/docs_test.ts",
      "tests/docs_commands_test.ts",
      "tests/support",
      "tests/mutants",
      "tests/walk_test.ts",
      "tests/contributing",
      "tests/hostile/hostile_attacks_test.ts",
    ],
    lab: [],
  },
  {
    name: "page",
    what: "the page in a real browser: lender, guest and stranger, small and wide, light and dark, without scripts",
    args: ["tests/page"],
    lab: [],
    browser: true,
  },
  {
    name: "simulation",
    what: "the operator's loops on an in-memory API server, in random order, with crashes and lost responses",
    args: ["--parallel", "tests/simulation"],
    lab: [],
  },
  {
    name: "api",
    what: "a real API server, controller manager and etcd",
    args: ["tests/api", "tests/lab", "tests/faults"],
    lab: ["kubernetes", "tailnet", "policy", "helm", "kubeconform"],
    node: "some",
    prometheus: true,
  },
  {
    name: "generated",
    what: "generated workloads and charts: predictions compared with the real controllers",
    args: ["tests/generated"],
    lab: ["kubernetes", "helm"],
  },
  {
    name: "hostile",
    what: "attacks by a guest on a real control plane, with all guards on",
    args: ["tests/hostile"],
    lab: ["kubernetes"],
    node: "some",
    oneLab: true,
  },
  {
    name: "tailnet",
    what: "real headscale and tailscaled processes",
    args: ["--parallel", "tests/tailnet"],
    lab: ["kubernetes", "tailnet", "tailscale-stable"],
  },
  {
    name: "faults",
    what: "a sample of the fault campaign",
    args: ["tests/faults/main.ts", "--sample"],
    campaign: true,
    lab: ["kubernetes", "tailnet"],
  },
  {
    name: "packets",
    what: "real packets, on a node that enforces network policies",
    args: ["tests/packets"],
    lab: ["kubernetes", "kube-router"],
    node: "all",
  },
  {
    name: "e2e",
    what: "real pods on a node, including the operator's",
    args: ["tests/e2e"],
    lab: ["kubernetes", "tailnet", "sidecar", "helm", "pod-programs"],
    node: "all",
    image: true,
  },
];

/** Reason why no node can run here; undefined if one can. */
const obstacle = Deno.env.get("KEYSTONE_E2E") === "off" ? "KEYSTONE_E2E=off." : nodeObstacle();
const notRun: string[] = [];
/** Output of failed suites, repeated at the end. */
const failures: string[] = [];

const root = new URL("..", import.meta.url);
const total = { passed: 0, failed: 0 };

function chosen(names: string[]): Suite[] {
  const unknown = names.find((name) => !suites.some((suite) => suite.name === name));
  if (unknown !== undefined) {
    console.error(`There is no suite ${unknown}. Use one or more of ${suites.map(({ name }) => name).join(", ")}.`);
    Deno.exit(2);
  }
  return suites.filter(({ name }) => names.length === 0 || names.includes(name));
}

async function deno(
  args: string[],
  stdout: "inherit" | "piped",
  env: Record<string, string> = {},
): Promise<{ success: boolean; text: string }> {
  const child = new Deno.Command(Deno.execPath(), { args, cwd: root, env, stdin: "null", stdout, stderr: "inherit" })
    .spawn();
  let text = "";
  if (stdout === "piped") {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      await Deno.stdout.write(chunk);
      text += decoder.decode(chunk, { stream: true });
    }
  }
  return { success: (await child.status).success, text };
}

async function run(suite: Suite, place: string): Promise<void> {
  console.log(`\n— ${suite.name} (${place}): ${suite.what}`);
  if (suite.node && obstacle) {
    notRun.push(`${suite.node === "all" ? suite.name : `part of ${suite.name}`}: ${obstacle}`);
    if (Deno.env.get("KEYSTONE_E2E") === "require") {
      console.error(`The suite ${suite.name} can't run, and KEYSTONE_E2E is require: ${obstacle}`);
      total.failed++;
    }
    if (suite.node === "all") return;
  }
  // With KEYSTONE_E2E=require each of those tests fails by itself.
  const noImage = suite.image ? imageObstacle() : undefined;
  if (noImage) notRun.push(`part of ${suite.name}: ${noImage}`);
  const noPrometheus = suite.prometheus ? prometheusObstacle() : undefined;
  if (noPrometheus) notRun.push(`part of ${suite.name}: ${noPrometheus}`);
  const noBrowser = suite.browser ? browserObstacle() : undefined;
  if (noBrowser) notRun.push(`${suite.name}: ${noBrowser}`);
  const lab = [...suite.lab, ...(suite.node && !obstacle ? ["node", "dns"] : [])];
  if (lab.length > 0 && !(await deno(["run", "-A", "tests/lab/main.ts", "build", ...lab], "inherit")).success) {
    total.failed++;
    return;
  }
  const isChosen = ["KEYSTONE_LAB", "KEYSTONE_LAB_DIR"].some((name) => Deno.env.has(name));
  await using shared = suite.oneLab && !isChosen ? await startLab({ progress: true }) : undefined;
  const { success, text } = await deno(
    [suite.campaign ? "run" : "test", "--frozen", "-A", ...suite.args],
    "piped",
    shared ? { KEYSTONE_LAB_DIR: shared.dir } : {},
  );
  // deno-lint-ignore no-control-regex
  const plain = text.replace(/\x1b\[[0-9;]*m/g, "");
  const summaries = plain.matchAll(suite.campaign ? /(\d+) agreed, (\d+) differ/g : /(\d+) passed.*?\| (\d+) failed/g);
  const [, passed, failed] = [...summaries].at(-1)?.map(Number) ?? [0, 0, 0];
  total.passed += passed!;
  // An aborted run (type error, crash) has failed, whatever its counts.
  total.failed += success ? failed! : Math.max(1, failed!);
  if (!success) failures.push(`— ${suite.name} failed:\n${failureIn(plain)}`);
}

const spanText = (seconds: number): string =>
  seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;

/** Returns the part of the output about failures, or its end. */
function failureIn(text: string): string {
  const errors = text.lastIndexOf("\n ERRORS ");
  const lines = (errors === -1 ? text : text.slice(errors)).trimEnd().split("\n");
  return (errors === -1 ? lines.slice(-60) : lines.slice(0, 200)).join("\n");
}

const all = chosen(Deno.args);
for (const [index, suite] of all.entries()) {
  const began = performance.now();
  try {
    await run(suite, `${index + 1} of ${all.length}`);
    console.log(`— ${suite.name}: ended after ${spanText((performance.now() - began) / 1000)}`);
  } catch (error) {
    failures.push(`— ${suite.name} couldn't run: ${(error as Error).message}`);
    total.failed++;
  }
}
for (const what of failures) console.log(`\n${what}`);
for (const what of notRun) console.log(`\nnot run: ${what}`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
Deno.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
