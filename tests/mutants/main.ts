/**
 * `deno task test:mutants [NAME…]`: applies one bug after another (`*.patch` here) to a copy of the project and runs
 * the tests that must detect it. The task fails if a bug survives because no test detects it, or can't be applied any
 * more.
 */
import { copyProject } from "../support/project_copy.ts";
import { gitApply, type Mutant, patchOf, readMutants } from "./mutant.ts";

const workers = 2;

async function output(command: string, args: string[], cwd: string): Promise<{ success: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

type Fate = "killed" | "survived" | "can't be applied";

async function fateOf({ name, tests, plans }: Mutant, dir: string): Promise<{ fate: Fate; text: string }> {
  const obstacle = await gitApply(dir, [patchOf(name)]);
  if (obstacle !== "") return { fate: "can't be applied", text: obstacle };
  // Without type checks: an error of the compiler is not a success of the tests.
  const args = tests.length > 0
    ? ["test", "--frozen", "-A", "--no-check", "--fail-fast", ...tests]
    : ["run", "--frozen", "-A", "tests/faults/main.ts", "--planes=1", ...plans.map((plan) => `--plan=${plan}`)];
  const { success, text } = await output(Deno.execPath(), args, dir);
  const stuck = await gitApply(dir, ["--reverse", patchOf(name)]);
  if (stuck !== "") throw new Error(`${name} can't be removed again: ${stuck}`);
  return { fate: success ? "survived" : "killed", text };
}

/** Returns the name of the test that detected the bug, or the plan and its difference. */
function killer(text: string): string {
  // deno-lint-ignore no-control-regex
  const plain = text.replace(/\x1b\[[0-9;]*m/g, "");
  const [, plan, difference] = plain.match(/^differs: (.*)\n +(.*)/m) ?? plain.match(/(undisturbed run.*):\n +(.*)/) ??
    [];
  if (plan) return `${plan}: ${difference}`;
  return plain.match(/FAILURES\s+(.*?) =>/s)?.[1]?.trim() ?? "a crash";
}

const mutants = await readMutants();
const unknown = Deno.args.find((name) => !mutants.some((mutant) => mutant.name === name));
if (unknown !== undefined) {
  console.error(`Mutant "${unknown}" does not exist.`);
  Deno.exit(2);
}
const queue = mutants.filter(({ name }) => Deno.args.length === 0 || Deno.args.includes(name));
const count = { killed: 0, survived: 0 };
console.log(`${queue.length} bugs, one at a time, each in a copy of the project.`);
await Promise.all(Array.from({ length: workers }, async () => {
  const dir = await copyProject("keystone-mutants-");
  try {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const { fate, text } = await fateOf(mutant, dir);
      if (fate === "killed") count.killed++;
      else count.survived++;
      const told = fate === "killed" ? `by "${killer(text)}"` : fate === "survived" ? "" : `: ${text}`;
      console.log(`${fate} ${mutant.name} (${mutant.promise}) ${told}`.trimEnd());
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}));
console.log(`\nmutants: ${count.killed} killed, ${count.survived} survived`);
Deno.exit(count.survived === 0 && count.killed > 0 ? 0 : 1);
