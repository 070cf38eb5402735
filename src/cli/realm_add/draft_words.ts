/** A Realm before it is created, in plain words and as a command line. */
import type { Settings } from "../../api/mod.ts";
import { flagWords, quotedWord } from "../command_words.ts";
import { type RealmDraft, trustLine, withoutSubjects } from "./realm_draft.ts";
import { connectionTypeOf } from "./tailnet_nodes.ts";

const servers = { tailscale: "Tailscale", headscale: "Headscale" } as const;

/** Returns lines of a heading and a sentence. */
export const draftInWords = (
  { name, identity, trust, subjects, isServed, connectionType, node }: RealmDraft,
  settings: Settings,
): [heading: string, text: string][] => [
  ["Realm", name],
  ["Node", `${identity}, ${node === undefined ? "the first one with this name" : `only the one with ID ${node}`}`],
  ["Tailnet", servers[connectionType ?? "tailscale"]],
  ["Trust", `${trust}: ${trustLine(trust, settings)}`],
  [
    "People",
    subjects.length === 0
      ? withoutSubjects(isServed)
      : subjects.map(({ kind, name }) => `${kind.toLowerCase()} ${name}`).join(", "),
  ],
];

/** Returns the words of the command line that creates the same realm without questions. */
export const realmAddWords = (
  { name, identity, trust, subjects, connectionType, node }: RealmDraft,
): string[] => [
  ...["keystone", "realm", "add", quotedWord(name)],
  ...flagWords("identity", identity),
  ...flagWords("node", node),
  ...flagWords("trust", trust),
  ...subjects.flatMap(({ kind, name }) => flagWords("subject", `${kind}:${name}`)),
  ...(connectionType === connectionTypeOf(identity) ? [] : flagWords("connection-type", connectionType)),
];
