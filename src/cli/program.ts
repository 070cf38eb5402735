/** The `keystone` command: one file for each verb. */
import { Command, Help } from "commander";
import { version } from "../version.ts";
import { approveCommand } from "./approve_command.ts";
import { canReachCommand } from "./can_reach_command.ts";
import { complete, completeVerb } from "./completion/complete.ts";
import { commandName, withCommandName } from "./command_name.ts";
import { completionCommand } from "./completion_command.ts";
import { doctorCommand } from "./doctor_command.ts";
import { exitOf } from "./exit.ts";
import { explainCommand, grantExplainCommand } from "./explain_command.ts";
import { extendCommand } from "./extend_command.ts";
import { grantCommand } from "./grant_create_command.ts";
import { grantsCommand } from "./grants_command.ts";
import type { Io } from "./io.ts";
import { kubeconfigCommand } from "./kubeconfig_command.ts";
import { meantVerb } from "./meant_verb.ts";
import { planCommand } from "./plan_command.ts";
import { formatProgramHelp } from "./program_help.ts";
import { realmAddCommand } from "./realm_add_command.ts";
import { realmsCommand } from "./realms_command.ts";
import { revokeCommand } from "./revoke_command.ts";
import { type CommandAction, noteText, runner } from "./session.ts";
import { superEntitiesCommand } from "./superentities_command.ts";
import { tailnetCommand } from "./tailnet_command.ts";
import { trustCommand } from "./trust_command.ts";
import { uninstallCommand } from "./uninstall_command.ts";
import { useCommand } from "./use_command.ts";
import { versionCommand } from "./version_command.ts";
import { wouldFitCommand } from "./would_fit_command.ts";

/** Earlier names of verbs, which go on working, with the present ones. */
const formerNames: readonly [name: string, present: string, verb: (run: CommandAction) => Command][] = [
  ["approve", "superentity approve", approveCommand],
  ["extend", "grant extend", extendCommand],
  ["grants", "grant list", grantsCommand],
  ["kubeconfig", "realm kubeconfig", kubeconfigCommand],
  ["realms", "realm list", realmsCommand],
  ["revoke", "grant revoke", revokeCommand],
  ["superentities", "superentity list", superEntitiesCommand],
  ["trust", "realm trust", trustCommand],
];
const hidden = { hidden: true } as const;

/** Gives a verb its earlier name. It works alike, and notes the present name. */
const formerly = (command: Command, name: string, present: string, io: Io): Command => {
  const note = `keystone ${name} is now keystone ${present}.`;
  return command.name(name).addHelpText("before", `${note}\n`).hook("preAction", ({ args: [first] }) => {
    // "keystone realms add" looks for a realm with the name "add".
    const isVerb = present.endsWith(" list") &&
      /^(add|create|extend|revoke|list|approve|kubeconfig|trust)$/.test(first ?? "");
    io.err(`Note: ${note}${isVerb ? ` For the verb: keystone ${present.replace("list", first!)}` : ""}`);
  });
};

/** Returns the program with all commands, reading from and writing to `io`. */
export function createProgram(io: Io): Command {
  const run = runner(io);
  const program = new Command(commandName(io))
    .description("Lend parts of a cluster, see who uses what, and end grants.")
    .version(version, "-V, --version", "print the version")
    .configureHelp({ formatHelp: formatProgramHelp })
    .addHelpText(
      "after",
      new Help().boxWrap(
        "\nExit codes: 0 yes or done, 1 the answer is no, 2 usage, 3 forbidden, 4 unreachable." +
          `\nEarlier names go on working: ${formerNames.map(([name]) => name).join(", ")}.` +
          "\nAs a kubectl plugin: put it into PATH as kubectl-keystone, then run kubectl keystone grant list.",
        helpWidth(io),
      ),
    );
  const group = (heading: string, ...commands: Command[]) => {
    for (const command of commands) program.addCommand(command.helpGroup(heading));
  };
  const kind = (command: Command, ...verbs: ((run: CommandAction) => Command)[]) => {
    for (const verb of verbs) command.addCommand(verb(run));
    return command;
  };
  group(
    "Lend:",
    kind(
      new Command("realm").description("Neighbors: add them from the tailnet, list them, give them access."),
      realmsCommand,
      realmAddCommand,
      trustCommand,
      kubeconfigCommand,
    ),
    kind(
      grantCommand(run).description("Grants: create, list, extend, revoke and explain them."),
      grantsCommand,
      extendCommand,
      revokeCommand,
      grantExplainCommand,
    ),
    kind(
      new Command("superentity").description("Pooled capacity of several realms: list it, approve its terms."),
      superEntitiesCommand,
      approveCommand,
    ),
  );
  group("Work as a guest:", useCommand(run));
  group("Check workloads, also as a guest:", wouldFitCommand(run), explainCommand(run), canReachCommand(run));
  group(
    "Look after the installation:",
    planCommand(run),
    tailnetCommand(run),
    doctorCommand(run),
    uninstallCommand(run),
  );
  group("Other:", completionCommand(io), versionCommand(run));
  for (const [name, present, verb] of formerNames) program.addCommand(formerly(verb(run), name, present, io), hidden);
  configure(program, io);
  return program;
}

const helpWidth = ({ width }: Io): number => Math.min(width, 120);

/** Keeps commander from ending the process and from writing past `io`. */
function configure(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.out(withCommandName(io, text.trimEnd())),
    writeErr: (text) => io.err(text.trimEnd()),
    getOutHelpWidth: () => helpWidth(io),
    getErrHelpWidth: () => helpWidth(io),
    getOutHasColors: () => false,
    getErrHasColors: () => false,
    outputError: (text, write) => {
      const [, word] = /unknown command '(.+)'/.exec(text) ?? [];
      write(word === undefined ? text : [text.trimEnd(), meantVerb(command, word)].filter(Boolean).join("\n"));
    },
  }).showSuggestionAfterError(false).configureHelp({ ...command.configureHelp(), minWidthToWrap: 20 })
    .showHelpAfterError("Use --help for more.");
  for (const each of command.commands) configure(each as Command, io);
}

/** Runs the command and returns its exit code. */
export async function runKeystone(args: readonly string[], given: Io): Promise<number> {
  const err = (text: string) => given.err(withCommandName(given, text));
  const io: Io = Object.assign(Object.create(given) as Io, { err });
  try {
    if (args[0] === completeVerb) {
      await complete(io, createProgram(io), args.slice(1));
      return 0;
    }
    await createProgram(io).parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    const { code, message } = exitOf(error);
    if (message !== "") io.err(noteText(io, message));
    return code;
  }
}
