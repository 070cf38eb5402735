/**
 * `deno task test:mutants [NAME…]`: plants one bug after the other into a copy of the project and runs the tests that
 * have to notice. A bug that no test notices survives, and fails the task; so does one that can't be planted any more.
 */
import { dirname } from "node:path";
import { type Mutant, mutants } from "./mutants.ts";

const root = new URL("../../", import.meta.url).pathname;
const workers = 2;

async function output(command: string, args: string[], cwd: string): Promise<{ success: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** A copy of what git knows of the project, present changes included. */
async function copyProject(): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "keystone-mutants-" });
  const { text } = await output("git", ["ls-files", "--cached", "--others", "--exclude-standard"], root);
  for (const path of text.split("\n").filter((line) => line !== "")) {
    await Deno.mkdir(dirname(`${dir}/${path}`), { recursive: true });
    await Deno.copyFile(`${root}${path}`, `${dir}/${path}`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  return dir;
}

type Fate = "killed" | "survived" | "can't be planted";

/** Plants it; returns what takes it out again, or why it can't be planted. */
async function plant({ file, find, replace }: Mutant["also"] & object, dir: string) {
  const path = `${dir}/${file}`;
  const whole = await Deno.readTextFile(path);
  const parts = whole.split(find);
  if (parts.length !== 2) return `${file} has it ${parts.length - 1} times: ${find}`;
  await Deno.writeTextFile(path, parts.join(replace));
  return () => Deno.writeTextFile(path, whole);
}

async function fateOf(mutant: Mutant, dir: string): Promise<{ fate: Fate; text: string }> {
  const { also, tests, plans = [] } = mutant;
  const planted: (() => Promise<void>)[] = [];
  try {
    for (const change of also ? [mutant, also] : [mutant]) {
      const remove = await plant(change, dir);
      if (typeof remove === "string") return { fate: "can't be planted", text: remove };
      planted.push(remove);
    }
    // Without types: that the compiler notices is no merit of the tests.
    const args = tests
      ? ["test", "--frozen", "-A", "--no-check", "--fail-fast", ...tests]
      : ["run", "--frozen", "-A", "tests/faults/main.ts", "--planes=1", ...plans.map((plan) => `--plan=${plan}`)];
    const { success, text } = await output(Deno.execPath(), args, dir);
    return { fate: success ? "survived" : "killed", text };
  } finally {
    for (const remove of planted) await remove();
  }
}

/** The name of the test that noticed, or the plan and what it found. */
function killer(text: string): string {
  // deno-lint-ignore no-control-regex
  const plain = text.replace(/\x1b\[[0-9;]*m/g, "");
  const [, plan, difference] = plain.match(/^differs: (.*)\n +(.*)/m) ?? plain.match(/(undisturbed run.*):\n +(.*)/) ??
    [];
  if (plan) return `${plan}: ${difference}`;
  return plain.match(/FAILURES\s+(.*?) =>/s)?.[1]?.trim() ?? "a crash";
}

const unknown = Deno.args.find((name) => !mutants.some((mutant) => mutant.name === name));
if (unknown !== undefined) {
  console.error(`There is no mutant ${unknown}.`);
  Deno.exit(2);
}
const queue = mutants.filter(({ name }) => Deno.args.length === 0 || Deno.args.includes(name));
const count = { killed: 0, survived: 0 };
console.log(`${queue.length} bugs, one at a time, each in a copy of the project.`);
await Promise.all(Array.from({ length: workers }, async () => {
  const dir = await copyProject();
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
