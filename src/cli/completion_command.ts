import { Argument, type Command } from "commander";
import { Command as Program } from "commander";
import { usageError } from "./exit.ts";
import { explainableWords } from "./explain/explained_resources.ts";
import type { Io } from "./io.ts";

const shells = ["bash", "zsh", "fish"] as const;

export const completionCommand = (io: Io, program: Command): Command =>
  new Program("completion").description("Print a script that completes commands and flags in a shell.")
    .addArgument(new Argument("<shell>", "bash, zsh or fish"))
    .addHelpText("after", "\nExamples:\n  source <(keystone completion bash)\n  keystone completion fish | source")
    .action((shell: string) => {
      if (!(shells as readonly string[]).includes(shell)) {
        throw usageError(`The shell ${shell} is not supported. Use bash, zsh or fish.`);
      }
      io.out(shell === "fish" ? fish(program) : bash(program, shell === "zsh"));
    });

/** Returns the words that a command's first argument may be, if they are known. */
const choices = (command: Command): readonly string[] => command.name() === "explain" ? explainableWords : [];

/** Returns each command path with the words that may follow it. */
function words(command: Command, path: string[] = []): [path: string, words: string[]][] {
  const names = command.commands.map((each) => each.name());
  const flags = command.options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));
  return [
    [path.join(" "), [...names, ...choices(command), ...flags as string[], "--help"]],
    ...command.commands.flatMap((each) => words(each as Command, [...path, each.name()])),
  ];
}

function bash(program: Command, zsh: boolean): string {
  const cases = words(program).map(([path, all]) =>
    `    ${JSON.stringify(path)}) words=${JSON.stringify(all.join(" "))} ;;`
  );
  return `${zsh ? "autoload -U +X bashcompinit && bashcompinit\n" : ""}_keystone() {
  local path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) [ -z "$path" ] && path="$word" || path="$path $word" ;; esac
  done
  while :; do
    case "$path" in
${cases.join("\n")}
    esac
    [ -n "$words" ] || [ -z "$path" ] && break
    case "$path" in *" "*) path="\${path% *}" ;; *) path="" ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _keystone keystone`;
}

function fish(program: Command): string {
  const lines = program.commands.flatMap((command) => [
    `complete -c keystone -n __fish_use_subcommand -a ${command.name()} -d '${
      command.description().replaceAll("'", "")
    }'`,
    ...command.commands.map((sub) =>
      `complete -c keystone -n '__fish_seen_subcommand_from ${command.name()}' -a ${sub.name()} -d '${
        sub.description().replaceAll("'", "")
      }'`
    ),
    ...choices(command as Command).map((word) =>
      `complete -c keystone -n '__fish_seen_subcommand_from ${command.name()}' -a ${word}`
    ),
    ...command.options.flatMap(({ long, description }) =>
      long
        ? [
          `complete -c keystone -n '__fish_seen_subcommand_from ${command.name()}' -l ${long.slice(2)} -d '${
            description.replaceAll("'", "")
          }'`,
        ]
        : []
    ),
  ]);
  return lines.join("\n");
}
