/** A check of the whole tree. */
export interface TreeCheck {
  name: string;
  /** Arguments of `deno`. */
  args: readonly string[];
  /** `fast`: only in `deno task check`, in place of all tests; `slow`: only in `deno task ok`. */
  lane?: "fast" | "slow";
}

/** Modules whose exports are documented. */
const documented = ["lib/*/mod.ts", "lib/kubernetes_apis/*@*.ts", "src/api/client/*@*.ts"];

/** Unit tests that take seconds: decisions, admission, the command, the docs and the tools. */
const quickTests = ["src/core", "src/api", "src/cli", "tests/docs_test.ts", "tools"];

/** All that must be green: before a commit by `deno task ok`, in `.ci/run` and in the forge's CI. The slowest come first. */
export const steps: readonly TreeCheck[] = [
  { name: "format", args: ["fmt", "--check", "--quiet"] },
  { name: "types", args: ["check", "--quiet", "--frozen"] },
  { name: "words", args: ["task", "--quiet", "words"] },
  { name: "lint", args: ["lint", "--quiet"] },
  { name: "generated", args: ["task", "--quiet", "gen", "--check"] },
  { name: "circles", args: ["test", "--quiet", "--frozen", "-A", "--no-check", "tests/architecture_test.ts"] },
  { name: "exports", args: ["doc", "--quiet", "--lint", ...documented], lane: "slow" },
  {
    name: "quick",
    args: ["test", "--quiet", "--frozen", "-A", "--no-check", "--parallel", ...quickTests],
    lane: "fast",
  },
  { name: "tests", args: ["task", "--quiet", "test"], lane: "slow" },
];

/** Steps of a lane, or those of them that are named, or those that aren't. @throws when a name is unknown */
export function chosenSteps({ fast = false, only, except = [] }: {
  fast?: boolean;
  only?: readonly string[];
  except?: readonly string[];
}): TreeCheck[] {
  const unknown = [...only ?? [], ...except].find((name) => !steps.some((step) => step.name === name));
  if (unknown !== undefined) {
    throw new Error(`There is no step ${unknown}; the steps are ${steps.map(({ name }) => name).join(", ")}.`);
  }
  return steps.filter(({ name, lane }) =>
    lane !== (fast ? "slow" : "fast") && (only ?? [name]).includes(name) && !except.includes(name)
  );
}
