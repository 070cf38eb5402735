import { shellCommands } from "../../tests/support/code_blocks.ts";
import { parseProblem } from "../../tests/support/parsed_command.ts";

/** Returns the problem of the `keystone` commands in a line; undefined if this version has all of them. */
export function commandProblem(line: string): string | undefined {
  for (const { words: [program, ...words] } of shellCommands(line)) {
    const problem = program === "keystone" ? parseProblem(words) : undefined;
    if (problem) return `${line}: ${problem.message}`;
  }
  return undefined;
}

/**
 * Returns the first of the commands that this version has.
 *
 * @throws when it has none
 */
export function knownCommand(typed: string | readonly string[]): string {
  const all = [typed].flat();
  const known = all.find((line) => commandProblem(line) === undefined);
  if (known === undefined) {
    throw new Error(`This version has none of these commands:\n${all.map(commandProblem).join("\n")}`);
  }
  return known;
}
