/**
 * The FlowSchema of all guests: their requests share the few seats of the PriorityLevelConfiguration `keystone-guests`, so
 * that no flood of theirs takes the API server from anybody else. Source: API Priority and Fairness (KEP-1040). It is the
 * one object about all guests, so it also says whether they may write (docs/adr/0031).
 */
import { isDeepStrictEqual } from "node:util";
import type { FlowSchema, Subject } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import type { RealmSubject } from "../api/mod.ts";
import type { Plan } from "./effects.ts";
import type { FlowSchemaFacts, GuestWrites } from "./facts.ts";
import {
  guestFlowName,
  guestNamespace,
  guestWritesAnnotation,
  managedBy,
  managedByLabel,
  realmGroup,
  systemNamespace,
} from "./names.ts";

/** A grantee, as far as it is known whose requests are its guests'. */
export interface FlowGrantee {
  name: string;
  subjects?: readonly RealmSubject[] | undefined;
}

/** More subjects would bring the object near to what etcd takes of one; those beyond share the seats of everybody else. */
export const maxFlowSubjects = 6000;

/** After the operator's own (300), before those of ServiceAccounts and of everybody (9000 and 9900). */
const matchingPrecedence = 2000;

/**
 * The subjects whose requests are guests': those of every grantee, each once and in order, the accounts of its guest
 * namespace, whose tokens guests can read in their pods, and the accounts of the operator's namespace that have no
 * FlowSchema of their own, which are the accounts `realm-*`. Kubernetes' own users and groups are never among them: a Realm
 * that names one must not slow the cluster down.
 */
export function flowSubjects(grantees: readonly FlowGrantee[]): Subject[] {
  const named = grantees.flatMap(({ name, subjects = [{ kind: "Group", name: realmGroup(name) }] }) => subjects)
    .filter(({ name }) => !name.startsWith("system:") && name !== "*")
    .map(({ kind, name }): Subject => kind === "User" ? { kind, user: { name } } : { kind, group: { name } });
  const pods = grantees.map(({ name }) => accountsOf(guestNamespace(name)));
  const unique = new Map([...named, ...pods].map((subject) => [JSON.stringify(subject), subject]));
  const sorted = [...unique].sort(([a], [b]) => a < b ? -1 : 1).map(([, subject]) => subject);
  return [accountsOf(systemNamespace), ...sorted.slice(0, maxFlowSubjects - 1)];
}

const accountsOf = (namespace: string): Subject => ({
  kind: "ServiceAccount",
  serviceAccount: { namespace, name: "*" },
});

/** The FlowSchema as it should be; each user is a flow, so that one guest's flood doesn't starve another. */
export const guestFlowOf = (grantees: readonly FlowGrantee[], guestWrites: GuestWrites): FlowSchema => ({
  apiVersion: "flowcontrol.apiserver.k8s.io/v1",
  kind: "FlowSchema",
  metadata: {
    name: guestFlowName,
    labels: { [managedByLabel]: managedBy },
    ...(guestWrites === "Open" ? {} : { annotations: { [guestWritesAnnotation]: guestWrites } }),
  },
  spec: {
    priorityLevelConfiguration: { name: guestFlowName },
    matchingPrecedence,
    distinguisherMethod: { type: "ByUser" },
    rules: [{
      subjects: flowSubjects(grantees),
      resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"], clusterScope: true }],
      nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
    }],
  },
});

export interface GuestFlowWorld {
  grantees: readonly FlowGrantee[];
  present: FlowSchemaFacts | undefined;
  /** Whether the cluster has the PriorityLevelConfiguration `keystone-guests`. */
  hasLevel: boolean;
  /** What guests may write; that closes and opens without a level, too. */
  guestWrites: GuestWrites;
}

/** Plans the FlowSchema: nothing to do where it is as it should be, or there is no level that it could name. */
export function planGuestFlow({ grantees, present, hasLevel, guestWrites }: GuestFlowWorld): Plan {
  const isTold = (present?.guestWrites ?? "Open") === guestWrites;
  if (!hasLevel && isTold) return { stages: [] };
  const desired = guestFlowOf(grantees, guestWrites);
  const isSame = present && isTold && isDeepStrictEqual(present.spec, desired.spec) &&
    present.labels[managedByLabel] === managedBy;
  return { stages: isSame ? [] : [{ kind: "close", effects: [{ apply: desired }] }] };
}
