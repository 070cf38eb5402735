/** The questions of `keystone realm add` on a terminal, each checked where it is asked. */
import * as prompts from "@clack/prompts";
import { type RealmSubject, type Settings, type TrustLevel, trustLevels } from "../../api/mod.ts";
import type { TailnetPeer } from "../../tailnet/tailnet_state.ts";
import { no } from "../exit.ts";
import { inLine } from "../session.ts";
import {
  identityConflict,
  identityProblem,
  nameConflict,
  nameProblem,
  proposedName,
  subjectFrom,
  subjectsProblem,
  type TakenNames,
  trustLine,
} from "./realm_draft.ts";

/** Number of nodes from which a list can be searched. */
const manyNodes = 12;

/** Returns the answer. Ctrl-C ends the command, and nothing was written until then. */
function answered<T>(answer: T): Exclude<T, symbol> {
  if (typeof answer === "symbol") throw no("Nothing was created.");
  return answer as Exclude<T, symbol>;
}

/** Asks for text; `problem` begins with a verb. */
async function askText(
  message: string,
  problem: (text: string) => string | undefined,
  initialValue = "",
): Promise<string> {
  const validate = (text: string | undefined) => {
    const found = problem((text ?? "").trim());
    return found === undefined ? undefined : `${inLine((text ?? "").trim()) || "It"} ${found}.`;
  };
  return answered(await prompts.text({ message, initialValue, validate })).trim();
}

/** Returns a line on a node for the list. */
function nodeLine({ dnsName, online, os, ownerLogin, self }: TailnetPeer, realm: string | undefined): string {
  const facts = [self ? "this machine" : online ? "online" : "offline", os, ownerLogin].filter(Boolean);
  return inLine(`${dnsName} (${realm === undefined ? facts.join(", ") : `realm ${realm}`})`);
}

/** Asks for the realm's node; returns its name alone if it isn't in the list. */
export async function askNode(
  nodes: readonly TailnetPeer[],
  taken: TakenNames,
): Promise<Pick<TailnetPeer, "dnsName"> & Partial<TailnetPeer>> {
  const realmOf = ({ dnsName }: TailnetPeer) => taken.identities.get(dnsName);
  const rank = (node: TailnetPeer) => realmOf(node) !== undefined ? 3 : node.self ? 2 : node.online ? 0 : 1;
  const sorted = nodes.toSorted((a, b) => rank(a) - rank(b) || (a.dnsName < b.dnsName ? -1 : 1));
  if (sorted.some((node) => realmOf(node) === undefined)) {
    const options = [
      ...sorted.map((node) => ({
        value: node as TailnetPeer | null,
        label: nodeLine(node, realmOf(node)),
        disabled: realmOf(node) !== undefined,
      })),
      { value: null, label: "another node, by its name" },
    ];
    const message = "Which node of the tailnet is the realm?";
    const node = answered(
      nodes.length < manyNodes
        ? await prompts.select({ message, options })
        : await prompts.autocomplete({ message, options, maxItems: 10, placeholder: "type a part of the name" }),
    );
    if (node) return node;
  }
  return {
    dnsName: await askText(
      "Full MagicDNS name of the node?",
      (text) => identityProblem(text) ?? identityConflict(text, taken),
    ),
  };
}

export const askName = (identity: string, taken: TakenNames): Promise<string> =>
  askText(
    "Name of the realm?",
    (text) => nameProblem(text) ?? nameConflict(text, taken),
    proposedName(identity, taken),
  );

export const askTrust = async (settings: Settings, initialValue: TrustLevel): Promise<TrustLevel> =>
  answered(
    await prompts.select({
      message: "How far do you trust it? This limits grants to it.",
      initialValue,
      options: trustLevels.map((value) => ({ value, label: `${value}: ${trustLine(value, settings)}` })),
    }),
  );

export async function askSubjects(realm: string): Promise<RealmSubject[]> {
  const subjects = (text: string) => text === "" ? [] : text.split(",").map(subjectFrom);
  return subjects(
    await askText(
      "Who uses it? Users or group:NAME, separated by commas.\nEmpty: people to whom you give a kubeconfig.",
      (text) => subjectsProblem(subjects(text), realm),
    ),
  );
}
