/**
 * Runs the test suites one after the other and sums them up: `deno task test [SUITE…]`.
 *
 * What needs a node with real pods runs where it can. `KEYSTONE_E2E` says what else: `auto` (default) tells that it was
 * not run and why, `require` fails then, `off` leaves it out.
 */
import { startLab } from "./lab/lab.ts";
import { imageObstacle, nodeObstacle } from "./lab/node_obstacle.ts";

interface Suite {
  name: string;
  what: string;
  /** Arguments of `deno test`. */
  args: string[];
  /** It is a campaign, which counts by itself: arguments of `deno run`. */
  campaign?: true;
  /** Groups of tools that the lab has to have built. */
  lab: string[];
  /** `all`: it can't run without a node; `some`: a part of it can't. */
  node?: "all" | "some";
  /** Whether a part of it needs the operator's image. */
  image?: boolean;
  /** Its files share one cluster (`sharedLab`), one after the other: starting one for each takes longer than most of them. */
  oneLab?: boolean;
}

// Fast ones first: what they find needn't wait for a cluster.
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
      "tests/mutants",
      "tests/walk_test.ts",
      "tests/contributing",
      "tests/hostile/hostile_attacks_test.ts",
    ],
    lab: [],
  },
  {
    name: "simulation",
    what: "the operator's loops over an API server in memory, in any order, with crashes and lost answers",
    args: ["--parallel", "tests/simulation"],
    lab: [],
  },
  {
    name: "api",
    what: "a real API server, controller manager and etcd",
    args: ["tests/api", "tests/lab", "tests/faults"],
    lab: ["kubernetes", "tailnet", "policy", "helm", "kubeconform"],
    node: "some",
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
    what: "a real headscale and tailscaleds",
    args: ["tests/tailnet"],
    lab: ["kubernetes", "tailnet", "tailscale-stable"],
  },
  {
    name: "faults",
    what: "a part of the fault campaign",
    args: ["tests/faults/main.ts", "--sample"],
    campaign: true,
    lab: ["kubernetes", "tailnet"],
  },
  {
    name: "packets",
    what: "the grants as packets, on a node that enforces policies",
    args: ["tests/packets"],
    lab: ["kubernetes", "kube-router"],
    node: "all",
  },
  {
    name: "e2e",
    what: "real pods on a node, the operator's among them",
    args: ["tests/e2e"],
    lab: ["kubernetes", "tailnet", "sidecar", "helm"],
    node: "all",
    image: true,
  },
];

/** Why no node can run here; undefined when one can. */
const obstacle = Deno.env.get("KEYSTONE_E2E") === "off" ? "KEYSTONE_E2E=off." : nodeObstacle();
const notRun: string[] = [];
/** What failed, in the words of its suite, to be told once more at the end. */
const failures: string[] = [];

const root = new URL("..", import.meta.url);
const total = { passed: 0, failed: 0 };

function chosen(names: string[]): Suite[] {
  const unknown = names.find((name) => !suites.some((suite) => suite.name === name));
  if (unknown !== undefined) {
    console.error(`There is no suite ${unknown}; choose from ${suites.map(({ name }) => name).join(", ")}.`);
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

async function run(suite: Suite): Promise<void> {
  console.log(`\n— ${suite.name}: ${suite.what}`);
  if (suite.node && obstacle) {
    notRun.push(`${suite.node === "all" ? suite.name : `a part of ${suite.name}`}: ${obstacle}`);
    if (Deno.env.get("KEYSTONE_E2E") === "require") {
      console.error(`KEYSTONE_E2E=require, and it can't run: ${obstacle}`);
      total.failed++;
    }
    if (suite.node === "all") return;
  }
  // With KEYSTONE_E2E=require each of those tests fails by itself.
  const noImage = suite.image ? imageObstacle() : undefined;
  if (noImage) notRun.push(`a part of ${suite.name}: ${noImage}`);
  const lab = [...suite.lab, ...(suite.node && !obstacle ? ["node", "dns"] : [])];
  if (lab.length > 0 && !(await deno(["run", "-A", "tests/lab/main.ts", "build", ...lab], "inherit")).success) {
    total.failed++;
    return;
  }
  const isChosen = ["KEYSTONE_LAB", "KEYSTONE_LAB_DIR"].some((name) => Deno.env.has(name));
  await using shared = suite.oneLab && !isChosen ? await startLab() : undefined;
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
  // A run that broke off (a type error, a crash) has failed, whatever it counted.
  total.failed += success ? failed! : Math.max(1, failed!);
  if (!success) failures.push(`— ${suite.name} failed:\n${failureIn(plain)}`);
}

/** The part of the output that tells what failed, or else its end. */
function failureIn(text: string): string {
  const errors = text.lastIndexOf("\n ERRORS ");
  const lines = (errors === -1 ? text : text.slice(errors)).trimEnd().split("\n");
  return (errors === -1 ? lines.slice(-60) : lines.slice(0, 200)).join("\n");
}

for (const suite of chosen(Deno.args)) {
  try {
    await run(suite);
  } catch (error) {
    failures.push(`— ${suite.name} couldn't run: ${(error as Error).message}`);
    total.failed++;
  }
}
for (const what of failures) console.log(`\n${what}`);
for (const what of notRun) console.log(`\nnot run: ${what}`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
Deno.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
