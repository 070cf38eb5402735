/**
 * The form of the table of guards: what guests may not ask for, as data. From it come the policies in
 * deploy/kustomize/base, the page docs/guards.md and the attacks of tests/hostile.
 */
import type { GuardName } from "../../src/api/mod.ts";

/** A CEL expression. */
export type Cel = string;

/** Names by which an expression reaches what it judges, of the object and of the object as it was. */
export interface NameLists {
  /** The whole object. */
  object: Cel;
  /** Of a pod, or of the pods that a workload makes. */
  template: Cel;
  spec: Cel;
  /** All containers of the spec: init containers and ephemeral ones too. */
  containers: Cel;
}

/** One thing that guests may not ask for. */
export interface Guard {
  name: GuardName;
  /** The refused content, for the page. */
  refuses: string;
  /** Why, in a sentence that follows field and value in the refusal. */
  why: string;
  /** The remedy; follows the reason. */
  remedy: string;
  /** Settings that move the limit. */
  settings?: readonly string[];
  /**
   * A list of lists of offences, each a text of field and value. What an update had before is not held against it: an
   * offence that the old object gives too isn't counted.
   */
  offences: (names: NameLists) => Cel;
  /**
   * The revision of the guards that it came with, 1 unless told: it holds where an operator of that revision looks after the
   * guests, see `guardsRevision`. Those of 0 hold everywhere.
   */
  since?: number;
  /** True if it reads only the pod spec; then an update that leaves the spec as it is costs nothing. */
  ofSpec?: true | undefined;
  /** Beginning of the field's path when the offences leave it out. */
  at?: Cel;
  /** Has to be refused, with a message that matches. */
  attacks: readonly GuardAttack[];
  /** Has to pass. */
  ordinary: readonly Example[];
}

/** A part of an object: of a pod or of a workload's template, where `pod` is given, or of the kind itself. */
export interface Example {
  /** Follows "a guest makes …". */
  title: string;
  /** Of a pod: spec and metadata that are laid over an ordinary one. */
  pod?: { spec?: GuardBody; metadata?: GuardBody; container?: GuardBody };
  /** Laid over an ordinary object of these kinds. */
  object?: { kinds: readonly string[]; spec?: GuardBody; metadata?: GuardBody; fields?: GuardBody };
  /** Kinds in which it makes no sense, such as a DaemonSet's pods that never restart. */
  not?: readonly string[];
  /** Annotations of the guest namespace under which it is tried. */
  settings?: Record<string, string>;
}

export interface GuardAttack extends Example {
  says: RegExp;
}

export type GuardBody = Record<string, unknown>;

/** Guards that are judged together, as one ValidatingAdmissionPolicy: each of them would convert the object anew. */
export interface Policy {
  name: string;
  /** Comment above the policy. */
  about: string;
  resources: readonly {
    apiGroups: readonly string[];
    resources: readonly string[];
    operations?: readonly string[];
    /** `v1` unless it says else: the API server hands the object to the policy in this version. */
    apiVersions?: readonly string[];
  }[];
  /** Resources that controllers make from what guests have written and that was judged then. */
  madeByControllers?: readonly string[];
  /** Judges guests and cluster admins alone, also when something is made. */
  guestsOnly?: true;
  variables?: readonly (readonly [name: string, expression: Cel])[];
  /** Variables by which the guards reach the object, and the object as it was. */
  names: { now: NameLists; before: NameLists };
  guards: readonly Guard[];
  /** Whoever this holds for isn't refused. */
  unless?: Cel;
  /** One that comes first: what it refuses isn't looked at any further. */
  size?: Guard;
  /** Judges with the ResourceQuota `keystone` of the namespace as `params`. Pods need one, unless it says otherwise. */
  quota?: true | "where there is one";
}

/** A CEL string. */
export const quoted = (text: string): Cel => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** A CEL list of strings. */
export const celList = (texts: readonly string[]): Cel => `[${texts.map(quoted).join(", ")}]`;

/** A CEL map with these keys: to look one up costs 1, in a list it costs the list's length. */
export const setOf = (texts: readonly string[]): Cel => `{${texts.map((text) => `${quoted(text)}: true`).join(", ")}}`;

/** One list of offences with one entry, where the condition holds. */
export const when = (condition: Cel, offence: Cel): Cel => `[${condition} ? [${offence}] : []]`;
