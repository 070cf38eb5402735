/** Runs the test suites one after the other and sums them up: `deno task test [SUITE…]`. */

interface Suite {
  name: string;
  what: string;
  /** Arguments of `deno test`. */
  args: string[];
  /** Groups of tools that the lab has to have built. */
  lab: string[];
}

// Fast ones first: what they find needn't wait for a cluster.
const suites: Suite[] = [
  {
    name: "unit",
    what: "pure core, libraries, documentation examples",
    args: ["--doc", "--parallel", "lib", "src", "tests/architecture_test.ts"],
    lab: [],
  },
  {
    name: "api",
    what: "a real API server, controller manager and etcd",
    args: ["tests/api", "tests/lab"],
    lab: ["kubernetes", "tailnet", "policy"],
  },
  {
    name: "tailnet",
    what: "a real headscale and tailscaleds",
    args: ["tests/tailnet"],
    lab: ["kubernetes", "tailnet", "tailscale-stable"],
  },
];

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

async function deno(args: string[], stdout: "inherit" | "piped"): Promise<{ success: boolean; text: string }> {
  const child = new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null", stdout, stderr: "inherit" })
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
  if (
    suite.lab.length > 0 && !(await deno(["run", "-A", "tests/lab/main.ts", "build", ...suite.lab], "inherit")).success
  ) {
    total.failed++;
    return;
  }
  const { success, text } = await deno(["test", "--frozen", "-A", ...suite.args], "piped");
  // deno-lint-ignore no-control-regex
  const summary = text.replace(/\x1b\[[0-9;]*m/g, "").match(/(\d+) passed.*?\| (\d+) failed/g)?.at(-1)?.match(
    /(\d+) passed.*?\| (\d+) failed/,
  );
  const [passed, failed] = [Number(summary?.[1] ?? 0), Number(summary?.[2] ?? 0)];
  total.passed += passed;
  // A run that broke off (a type error, a crash) has failed, whatever it counted.
  total.failed += success ? failed : Math.max(1, failed);
}

for (const suite of chosen(Deno.args)) await run(suite);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
Deno.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
