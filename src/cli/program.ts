/** The `keystone` command: one file for each verb. */
import { Command } from "commander";
import { version } from "../version.ts";
import { approveCommand } from "./approve_command.ts";
import { canReachCommand } from "./can_reach_command.ts";
import { completionCommand } from "./completion_command.ts";
import { doctorCommand } from "./doctor_command.ts";
import { exitOf } from "./exit.ts";
import { explainCommand } from "./explain_command.ts";
import { extendCommand } from "./extend_command.ts";
import { grantCommand } from "./grant_create_command.ts";
import { grantsCommand } from "./grants_command.ts";
import type { Io } from "./io.ts";
import { kubeconfigCommand } from "./kubeconfig_command.ts";
import { planCommand } from "./plan_command.ts";
import { realmsCommand } from "./realms_command.ts";
import { revokeCommand } from "./revoke_command.ts";
import { noteText, runner } from "./session.ts";
import { superEntitiesCommand } from "./superentities_command.ts";
import { tailnetCommand } from "./tailnet_command.ts";
import { trustCommand } from "./trust_command.ts";
import { uninstallCommand } from "./uninstall_command.ts";
import { wouldFitCommand } from "./would_fit_command.ts";

/** Returns the program with all commands, reading from and writing to `io`. */
export function createProgram(io: Io): Command {
  const run = runner(io);
  const program = new Command("keystone")
    .description("Lend parts of a cluster, see who uses what, and end grants.")
    .version(version, "-V, --version", "print the version")
    .addHelpText(
      "after",
      "\nExit codes: 0 yes or done, 1 the answer is no, 2 usage, 3 forbidden, 4 unreachable." +
        "\nAs a kubectl plugin: put it into PATH as kubectl-keystone, then run kubectl keystone grants.",
    );
  const verbs = [
    grantsCommand,
    realmsCommand,
    grantCommand,
    revokeCommand,
    extendCommand,
    explainCommand,
    wouldFitCommand,
    canReachCommand,
    planCommand,
    kubeconfigCommand,
    superEntitiesCommand,
    approveCommand,
    trustCommand,
    tailnetCommand,
    doctorCommand,
    uninstallCommand,
  ];
  for (const verb of verbs) program.addCommand(verb(run));
  program.addCommand(completionCommand(io, program));
  configure(program, io);
  return program;
}

/** Keeps commander from ending the process and from writing past `io`. */
function configure(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.out(text.trimEnd()),
    writeErr: (text) => io.err(text.trimEnd()),
    getOutHelpWidth: () => Math.min(io.width, 120),
    getErrHelpWidth: () => Math.min(io.width, 120),
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  }).showHelpAfterError("Use --help for more.");
  for (const each of command.commands) configure(each as Command, io);
}

/** Runs the command and returns its exit code. */
export async function runKeystone(args: readonly string[], io: Io): Promise<number> {
  try {
    await createProgram(io).parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    const { code, message } = exitOf(error);
    if (message !== "") io.err(noteText(io, message));
    return code;
  }
}
