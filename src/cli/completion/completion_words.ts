/** Words that may follow on the command line: verbs, flags and values, or names that only the cluster knows. */
import type { Argument, Command, Option } from "commander";
import { grantStates } from "../../api/mod.ts";
import { explainableWords } from "../explain/explained_resources.ts";
import { firstClause } from "../program_help.ts";

/** Names that the cluster or the kubeconfig knows. */
export type NameSource =
  | { of: "grants" | "realms" | "superentities" | "namespaces" | "contexts" | "pods" }
  /** Nodes of the tailnet. */
  | { of: "lenders" }
  /** Objects of a kind that `keystone explain` takes. */
  | { of: "objects"; kind: string };

/** A word with its explanation. */
export type Candidate = readonly [word: string, explanation?: string | undefined];

/** Words that may follow. */
export interface Completion {
  candidates: readonly Candidate[];
  /** Names to look up besides. */
  source?: NameSource;
  /** True if files may follow. */
  files?: boolean;
  /** Words of a list that are on the line already. */
  taken?: readonly string[];
  /** Part of the last word that every candidate begins with, such as `--realm=`. */
  prefix: string;
  /** Flags on the line by commander's name for them. */
  flags: Readonly<Record<string, string | readonly string[]>>;
}

type Values = Pick<Completion, "source" | "files"> & { words?: readonly string[] };

/** Values of flags by their long names. */
const flagValues: Readonly<Record<string, Values>> = {
  "--output": { words: ["text", "wide", "json", "yaml"] },
  "--phase": { words: grantStates },
  "--context": { source: { of: "contexts" } },
  "--namespace": { source: { of: "namespaces" } },
  "--realm": { source: { of: "realms" } },
  "--to": { source: { of: "realms" } },
  "--from": { source: { of: "realms" } },
  ...Object.fromEntries(
    ["--filename", "--kubeconfig", "--config", "--out", "--ca-file", "--ts-socket", "--certificate-authority"]
      .map((flag) => [flag, { files: true }]),
  ),
};

/** Values of arguments by their names in the help. */
const argumentValues: Readonly<Record<string, Values>> = {
  grant: { source: { of: "grants" } },
  names: { source: { of: "grants" } },
  lender: { source: { of: "lenders" } },
  realm: { source: { of: "realms" } },
  superentity: { source: { of: "superentities" } },
  pod: { source: { of: "pods" } },
  kind: { words: explainableWords },
  shell: { words: ["bash", "zsh", "fish"] },
};

const takesValue = ({ required, optional }: Option): boolean => required || optional;

/** Returns what may follow the words after `keystone`; the last word is the one to complete, and may be empty. */
export function completionOf(program: Command, words: readonly string[]): Completion {
  const flags: Record<string, string | readonly string[]> = {};
  const given: string[] = [];
  let command = program;
  let pending: Option | undefined;
  let onlyArguments = false;
  const set = (option: Option, value: string) => {
    const name = option.attributeName();
    const before = flags[name];
    flags[name] = name === "asGroup" ? [...before ?? [], value] : value;
  };
  const optionOf = (flag: string) => command.options.find(({ short, long }) => flag === long || flag === short);
  for (const word of words.slice(0, -1)) {
    if (pending) {
      set(pending, word);
      pending = undefined;
    } else if (word === "--") {
      onlyArguments = true;
    } else if (word.startsWith("-") && word !== "-" && !onlyArguments) {
      const { flag, value } = flagIn(word);
      const option = optionOf(flag);
      if (option && value !== undefined) set(option, value);
      else if (option && takesValue(option)) pending = option;
      else if (option) set(option, "true");
    } else {
      const next = given.length === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      if (next) command = next as Command;
      else given.push(word);
    }
  }
  const last = words.at(-1) ?? "";
  const found = (values: Values | undefined, prefix = ""): Completion => ({
    candidates: (values?.words ?? []).map((word) => [word]),
    ...(values?.source ? { source: values.source } : {}),
    ...(values?.files ? { files: true } : {}),
    prefix,
    flags,
  });
  if (pending) return found(valuesOf(pending));
  if (last.startsWith("-") && !onlyArguments) {
    const { flag, value } = flagIn(last);
    const option = value === undefined ? undefined : optionOf(flag);
    if (option) return found(valuesOf(option), last.slice(0, last.length - value!.length));
    return { candidates: flagsOf(command), prefix: "", flags };
  }
  if (command.commands.length > 0) return { candidates: given.length === 0 ? verbsOf(command) : [], prefix: "", flags };
  return argumentCompletion(command.registeredArguments, given, last, found);
}

/** Splits `--flag=value` and `-fvalue`. */
function flagIn(word: string): { flag: string; value?: string } {
  const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? /^(-[^-])(.+)$/s.exec(word) ?? [];
  return flag === undefined ? { flag: word } : { flag, value: value! };
}

const valuesOf = ({ long, argChoices }: Option): Values | undefined =>
  argChoices ? { words: argChoices } : flagValues[long ?? ""];

const flagsOf = ({ options }: Command): Candidate[] => [
  ...options.filter(({ hidden, long }) => !hidden && long).map(({ long, description }): Candidate => [
    long!,
    description,
  ]),
  ["--help", "display help for command"],
];

function verbsOf(command: Command): Candidate[] {
  const visible = new Set(command.createHelp().visibleCommands(command));
  return command.commands.filter((each) => visible.has(each))
    .map((each) => [each.name(), firstClause(each.description())]);
}

function argumentCompletion(
  all: readonly Argument[],
  given: readonly string[],
  last: string,
  found: (values: Values | undefined, prefix?: string) => Completion,
): Completion {
  const argument = all[given.length] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined);
  if (argument === undefined) return found(undefined);
  const name = argument.name();
  if (name === "kind" && last.includes("/")) {
    const kind = last.slice(0, last.indexOf("/"));
    return found({ source: { of: "objects", kind } }, `${kind}/`);
  }
  if (name === "name" && all[0]?.name() === "kind") {
    return found(given[0]!.includes("/") ? undefined : { source: { of: "objects", kind: given[0]! } });
  }
  return { ...found(argumentValues[name]), taken: given };
}
