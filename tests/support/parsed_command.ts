/** Parses commands of the `keystone` program without running them. */
import { type Command, CommanderError } from "commander";
import { silentIo } from "../../src/cli/cli_reference.ts";
import { createProgram } from "../../src/cli/program.ts";

function* leavesOf(command: Command): Generator<Command> {
  if (command.commands.length === 0) yield command;
  for (const each of command.commands) yield* leavesOf(each as Command);
}

/** Result of parsing: undefined for a command that could run. */
export type ParseProblem = { code: string; message: string } | undefined;

/** Parses the words after `keystone`: verbs, arguments and flags have to exist, and flags to have usable values. */
export function parseProblem(words: readonly string[]): ParseProblem {
  const program = createProgram(silentIo);
  for (const leaf of leavesOf(program)) leaf.action(() => {});
  try {
    program.parse([...words], { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) return { code: "usage", message: String(error) };
    // Help and version end the program by an error too.
    return error.exitCode === 0 ? undefined : { code: error.code, message: error.message };
  }
}
