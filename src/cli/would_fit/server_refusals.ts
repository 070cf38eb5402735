/** The API server's refusals of a dry run, by their consequence, and the remedies for known ones. */
import { isApiError } from "../../../lib/kubernetes/mod.ts";

export type RefusalKind =
  /** A quota or Keystone's webhook lacks room: the arithmetic decides. */
  | "room"
  /** The user may not make or change it. */
  | "rights"
  /** It is refused for all users, and whatever gives room. */
  | "final"
  /** It could not be asked: no answer. */
  | "unasked";

export interface Refusal {
  kind: RefusalKind;
  /** The API server's words. */
  message: string;
  /** Amounts that there is no room for, by key. */
  requested?: Readonly<Record<string, string>>;
  /** True if Keystone's webhook refused: it is more than all grants give. */
  byWebhook?: boolean;
}

const webhookRefusal = /admission webhook "workloads\.keystone\.io" denied the request: /;
// A guard's message follows the same start but names its policy instead.
const quotaRefusal = /^\S+ "[^"]*" is forbidden: exceeded quota: (\S+), requested: (\S+), used: /;

/** Returns the refusal that an error is; other errors, such as those of the connection, are thrown on. */
export function serverRefusal(error: unknown): Refusal {
  if (!isApiError(error)) throw error;
  const { message, code } = error;
  if (code === 403) {
    const quota = message.match(quotaRefusal);
    if (quota) return { kind: "room", message, requested: amountsIn(quota[2]!) };
    const [head, room] = message.split(webhookRefusal);
    if (room !== undefined && !head!.includes("denied request")) {
      {
        return { kind: "room", message: room, requested: amountsOfWebhook(room), byWebhook: true };
      }
    }
    if (/: User "[^"]*" cannot \w+ resource /.test(message)) return { kind: "rights", message };
    if (/ is forbidden: status unknown for quota: /.test(message)) return { kind: "unasked", message };
    return { kind: "final", message };
  }
  const passing = code === 401 || code === 409 && error.reason === "Conflict" || code === 429 || code >= 500 ||
    / does not support dry run/.test(message);
  return { kind: passing ? "unasked" : "final", message };
}

/** Reads `limits.cpu=3,requests.cpu=3`. */
const amountsIn = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split(",").map((pair) => pair.split("=")).filter((pair): pair is [string, string] => pair.length === 2),
  );

/** Reads `Pod web needs 3 requests.cpu, but …; 3 limits.cpu (…), but …`. */
const amountsOfWebhook = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/(?:needs|;) (\S+) (\S+)(?: \([^)]*\))?, but /g)].map(([, amount, key]) => [key!, amount!]),
  );

/** Returns the StorageClass that the quota keys name; undefined if they name none. */
export function storageClassIn(requested: Readonly<Record<string, string>> = {}): string | undefined {
  const suffix = ".storageclass.storage.k8s.io/";
  return Object.keys(requested).filter((key) => key.includes(suffix)).map((key) =>
    key.slice(0, key.indexOf(suffix))
  )[0];
}

/** Remedies for refusals by other things than rights and quotas. */
const remedies: readonly [RegExp, string][] = [
  [/violates PodSecurity/, "Set these fields; docs/guests.md has a workload that meets the strictest level."],
  [/error looking up service account \S+: serviceaccount "[^"]*" not found/, "Create it first, or name none."],
  [/no PriorityClass with name/, "Remove priorityClassName; only your lender can make a PriorityClass."],
  [/RuntimeClass "[^"]*" not found/, "Remove runtimeClassName; only your lender can make a RuntimeClass."],
  [/failed quota: .*must specify/, "Set these requests and limits in each container."],
  [/strict decoding error: (?:.*, )?unknown field/, "Correct or remove the field."],
  [
    /updates to (?:\w+ )?spec for fields other than|field is immutable/,
    "Delete the object first, or keep these fields as they are.",
  ],
];

/** Returns the server's words as a sentence, with the remedy if one is known. */
export function refusalSentence(message: string): string {
  const remedy = remedies.find(([pattern]) => pattern.test(message))?.[1];
  const said = message.trim().replace(/[.\s]*$/, "");
  return remedy === undefined ? `${said}.` : `${said}. ${remedy}`;
}

/** Forms of the warnings of Keystone's webhook about room, which the arithmetic repeats. */
const roomWarnings =
  /^(?:This [A-Z]\w+|[A-Z]\w+ \S+) (?:needs \S+ \S+|does not fit into|can't be created:)|^The roll-out of |^No pod of |^Grant \S+ is (?:on notice|reduced)|takes a node port for each of its ports/;

/** Reports whether a warning is Pod Security's list of fields that a template lacks. */
export const isPodSecurityWarning = (text: string): boolean => text.startsWith("would violate PodSecurity ");

/** Reports whether a warning is one of Keystone's webhook about room. */
export const isRoomWarning = (text: string): boolean => roomWarnings.test(text);
