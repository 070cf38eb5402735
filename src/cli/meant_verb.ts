/** Verbs that people try, and the commands that do it. */
import { type Command, Help } from "commander";
import { nearestName } from "./lists/nearest_name.ts";
import { verbPath } from "./program_help.ts";

const show = ["describe", "get", "ls", "show", "status"];

/** Other words for a command. Those of `revoke` matter most: the verb that is written most alike, extend, does the opposite. */
const otherWords: Readonly<Record<string, readonly string[]>> = {
  "grant create": ["add", "allow", "apply", "lend", "make", "new"],
  "grant list": show,
  "grant extend": ["prolong", "renew"],
  "grant revoke": ["cancel", "close", "delete", "end", "remove", "rm", "stop", "terminate", "withdraw"],
  "realm add": ["create", "join", "new"],
  "realm list": [...show, "explain"],
  "realm trust": ["pin"],
  "realm kubeconfig": ["access", "login", "token"],
  "superentity list": [...show, "explain"],
  "superentity approve": ["accept"],
};

/** Words for commands without a kind before them. */
const withoutKind: Readonly<Record<string, string>> = {
  access: "realm kubeconfig",
  check: "would-fit",
  invite: "realm add",
  lend: "grant create",
  list: "grant list",
  ls: "grant list",
  nodes: "tailnet",
  reach: "can-reach",
  status: "doctor",
  why: "explain",
};

/** Returns a question about the command that a word after `parent` probably means; empty: none is near. */
export function meantVerb(parent: Command, word: string): string {
  const kind = parent.parent ? verbPath(parent) : "";
  const paths = new Help().visibleCommands(parent).map((each) => each.name()).filter((name) => name !== "help");
  const other = kind === ""
    ? withoutKind[word]
    : Object.keys(otherWords).find((path) => path.startsWith(`${kind} `) && otherWords[path]!.includes(word));
  const near = nearestName(word, paths);
  const path = other ?? (near === undefined ? undefined : `${kind} ${near}`.trim());
  return path === undefined ? "" : `Did you mean keystone ${path}?`;
}
