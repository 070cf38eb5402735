/** The questions of `keystone realm add`, each checked where it is asked. */
import { type RealmSubject, type Settings, type TrustLevel, trustLevels } from "../../api/mod.ts";
import { canonicalName } from "../../core/realm/identity.ts";
import type { TailnetPeer } from "../../tailnet/tailnet_state.ts";
import type { ChoiceOption, Dialog } from "../dialog/dialog.ts";
import { isReplica, type OperatorTailnet } from "../operator_tailnet.ts";
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
  withoutSubjects,
} from "./realm_draft.ts";

/** Answer for a node that isn't in the list; no StableID has a colon. */
const other = ":other";

const none = "none";

/** Order in which `node-2` comes before `node-10`. */
const byName = new Intl.Collator("en", { numeric: true });

/** Returns a sentence on an answer from a problem that begins with a verb. */
const sentenceOn = (answer: string, problem: string | undefined): string | undefined =>
  problem === undefined ? undefined : `${inLine(answer)} ${problem}.`;

const isOwn = ({ dnsName }: TailnetPeer, own: OperatorTailnet | undefined): boolean =>
  own !== undefined && isReplica(dnsName, own);

/** Returns the nodes of neighbors first: before this machine, the operator's replicas, and those of realms. */
export function likelyFirst(
  nodes: readonly TailnetPeer[],
  taken: TakenNames,
  own: OperatorTailnet | undefined,
): TailnetPeer[] {
  const rank = (node: TailnetPeer) =>
    taken.identities.has(node.dnsName) ? 4 : isOwn(node, own) ? 3 : node.self ? 2 : node.online ? 0 : 1;
  return nodes.toSorted((a, b) => rank(a) - rank(b) || byName.compare(a.dnsName, b.dnsName));
}

/** Asks for the realm's node; returns its name alone if it isn't in the list. `say` prints a line. */
export async function askNode(
  dialog: Dialog,
  nodes: readonly TailnetPeer[],
  taken: TakenNames,
  own: OperatorTailnet | undefined,
  say: (text: string) => void,
): Promise<Pick<TailnetPeer, "dnsName"> & Partial<TailnetPeer>> {
  const realmOf = ({ dnsName }: TailnetPeer) => taken.identities.get(dnsName);
  const sorted = likelyFirst(nodes, taken, own);
  const isNamesake = ({ dnsName }: TailnetPeer) => nodes.filter((node) => node.dnsName === dnsName).length > 1;
  const isOpen = (node: TailnetPeer) => realmOf(node) === undefined;
  if (sorted.some(isOpen)) {
    const options = sorted.map((node): ChoiceOption<string> => {
      const { stableID, dnsName, online, os, ownerLogin, self } = node;
      const state = self ? "this machine" : online ? "online" : "offline";
      const realm = realmOf(node);
      const closed = realm !== undefined
        ? `realm ${realm}`
        : identityProblem(dnsName) && "its name can't be that of a realm's node";
      return {
        value: stableID,
        label: inLine(dnsName),
        hint: [state, isOwn(node, own) && "this cluster", os, ownerLogin, isNamesake(node) && stableID].filter(Boolean)
          .map((fact) => inLine(`${fact}`))
          .join(", "),
        ...(closed === undefined ? {} : { closed }),
      };
    });
    const chosen = await dialog.choose({
      message: "Which node of the tailnet is the realm?",
      options: [...options, { value: other, label: "another node, by its name", stays: true }],
    });
    if (chosen !== other) return nodes.find(({ stableID }) => stableID === chosen)!;
  } else if (nodes.length > 0) say("Every node of the tailnet is a realm already.");
  // A name from the list means the node with its ID.
  const named = (text: string) => nodes.filter((node) => node.dnsName === canonicalName(text));
  const dnsName = await dialog.text({
    message: "Full MagicDNS name of the node?",
    check: (text) =>
      named(text).length > 1
        ? `Several nodes have the name ${inLine(text)}. Choose one by --node ID.`
        : sentenceOn(text, identityProblem(text) ?? identityConflict(text, taken)),
  });
  return named(dnsName)[0] ?? { dnsName };
}

/** Asks for the realm's name; proposes that of its node. */
export function askName(dialog: Dialog, identity: string, taken: TakenNames): Promise<string> {
  const preset = proposedName(identity, taken);
  return dialog.text({
    message: "Name of the realm?",
    ...(preset === undefined ? {} : { preset }),
    check: (text) => sentenceOn(text, nameProblem(text) ?? nameConflict(text, taken)),
  });
}

/** Asks for the trust level, each with the limits that it sets. */
export const askTrust = (dialog: Dialog, settings: Settings, preset: TrustLevel): Promise<TrustLevel> =>
  dialog.choose({
    message: "How far do you trust it? This limits grants to it.",
    options: trustLevels.map((value) => ({ value, label: `${value}: ${trustLine(value, settings)}` })),
    preset,
  });

/** Asks for users and groups with a separate login. `isServed`: its node is enough, over the tailnet. */
export async function askSubjects(dialog: Dialog, realm: string, isServed: boolean): Promise<RealmSubject[]> {
  const subjects = (text: string) =>
    text === none ? [] : text.split(",").filter((part) => part.trim() !== "").map(subjectFrom);
  return subjects(
    await dialog.text({
      message: `Who uses it? Users or group:NAME of this cluster, separated by commas, or none: then it is for ${
        withoutSubjects(isServed)
      }`,
      preset: none,
      check: (text) => sentenceOn("It", subjectsProblem(subjects(text), realm)),
    }),
  );
}
