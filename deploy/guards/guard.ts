/**
 * Types of the table of guards. The policies in deploy/kustomize/base, the page docs/guards.md and the attacks in
 * tests/hostile are generated from the table.
 */
import type { GuardName } from "../../src/api/mod.ts";

/** A CEL expression. */
export type Cel = string;

/** Names by which an expression accesses the parts of the object, or of the old object. */
export interface NameLists {
  /** The whole object. */
  object: Cel;
  /** The pod, or a workload's pod template. */
  template: Cel;
  spec: Cel;
  /** All containers of the spec, including init and ephemeral containers. */
  containers: Cel;
}

/** A rule that refuses certain requests of guests. */
export interface Guard {
  name: GuardName;
  /** Refused content, for the page. */
  refuses: string;
  /** Reason, a clause that follows field and value in the message. */
  why: string;
  /** Remedy, which follows the reason. */
  remedy: string;
  /** Settings that change the limit. */
  settings?: readonly string[];
  /**
   * Returns a list of lists of offences, each a text with field and value. Of an update only new offences count: one that
   * the old object has too is ignored.
   */
  offences: (names: NameLists) => Cel;
  /**
   * Revision of the guards that introduced it, 1 by default. The guard is in force where an operator of that revision
   * manages the namespace, see `guardsRevision`; with revision 0, everywhere.
   */
  since?: number;
  /** True if it reads only the pod spec, so that it is skipped for an update that does not change the spec. */
  ofSpec?: true | undefined;
  /** Prefix of the field's path, if the offences leave it out. */
  at?: Cel;
  /** Requests that must be refused with a matching message. */
  attacks: readonly GuardAttack[];
  /** Requests that must be allowed. */
  ordinary: readonly Example[];
}

/** A part of an object: with `pod` of a pod or of a workload's template, with `object` of the object itself. */
export interface Example {
  /** The object that a guest creates, in a few words. */
  title: string;
  /** Spec and metadata merged into an ordinary pod. */
  pod?: { spec?: GuardBody; metadata?: GuardBody; container?: GuardBody };
  /** Fields merged into an ordinary object of these kinds. */
  object?: { kinds: readonly string[]; spec?: GuardBody; metadata?: GuardBody; fields?: GuardBody };
  /** Kinds to which it does not apply, such as a DaemonSet whose pods never restart. */
  not?: readonly string[];
  /** Annotations of the guest namespace during the test. */
  settings?: Record<string, string>;
}

export interface GuardAttack extends Example {
  says: RegExp;
}

export type GuardBody = Record<string, unknown>;

/** Guards in one ValidatingAdmissionPolicy; a policy for each guard would convert the object each time. */
export interface Policy {
  name: string;
  /** Comment above the policy. */
  about: string;
  resources: readonly {
    apiGroups: readonly string[];
    resources: readonly string[];
    operations?: readonly string[];
    /** Default: `v1`. The API server passes the object to the policy in this version. */
    apiVersions?: readonly string[];
  }[];
  /** Resources that controllers create from objects of guests that were checked already. */
  madeByControllers?: readonly string[];
  /** If true, only guests and cluster admins are checked, also on creation. */
  guestsOnly?: true;
  variables?: readonly (readonly [name: string, expression: Cel])[];
  /** Variables by which the guards access the object and the old object. */
  names: { now: NameLists; before: NameLists };
  guards: readonly Guard[];
  /** Condition under which nothing is refused. */
  unless?: Cel;
  /** Guard that is checked first; what it refuses is not checked by the others. */
  size?: Guard;
  /** If set, `params` is the namespace's ResourceQuota `keystone`. With `true` pods can't be created without it. */
  quota?: true | "where there is one";
}

/** Returns a CEL string. */
export const quoted = (text: string): Cel => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** Returns a CEL list of strings. */
export const celList = (texts: readonly string[]): Cel => `[${texts.map(quoted).join(", ")}]`;

/** Returns a CEL map with these keys; a lookup costs 1, in a list it would cost the list's length. */
export const setOf = (texts: readonly string[]): Cel => `{${texts.map((text) => `${quoted(text)}: true`).join(", ")}}`;

/** Returns a list of offences with one entry if the condition is true, else an empty one. */
export const when = (condition: Cel, offence: Cel): Cel => `[${condition} ? [${offence}] : []]`;
