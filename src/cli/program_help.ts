/** The help of the whole program: the verbs in groups, those for a kind of object with the kind before them. */
import { Command, Help } from "commander";

/** Returns the visible commands that have no subcommands, except `help`. */
export function leavesOf(command: Command): Command[] {
  const visible = new Help().visibleCommands(command).filter((each) => command.commands.includes(each)) as Command[];
  return visible.flatMap((each) => each.commands.length > 0 ? leavesOf(each) : [each]);
}

/** Returns the words of a command after the program's name, such as `grant list`. */
export const verbPath = (command: Command): string =>
  command.parent?.parent ? `${verbPath(command.parent as Command)} ${command.name()}` : command.name();

/** Returns the first clause of a description, which fits into one line. */
export const firstClause = (text: string): string => text.replace(/[:.](\s[^]*)?$/, "").split(/[:.]\s/)[0]!;

/** Formats the help of the program. A subcommand is listed in the group of its parent. */
export function formatProgramHelp(program: Command, helper: Help): string {
  const plain = new Help();
  const topOf = (command: Command): Command =>
    command.parent && command.parent !== program ? topOf(command.parent as Command) : command;
  Object.assign(
    helper,
    {
      visibleCommands: leavesOf,
      subcommandTerm: (command) =>
        plain.subcommandTerm(command).replace(command.name(), verbPath(command)).replace(" [options]", ""),
      subcommandDescription: (command) => firstClause(command.description()),
      groupItems: (unsorted, visible, groupOf) =>
        plain.groupItems(
          unsorted,
          visible,
          (item) => groupOf(item instanceof Command ? topOf(item) as typeof item : item),
        ),
    } satisfies Partial<Help>,
  );
  return plain.formatHelp.call(helper, program, helper);
}
