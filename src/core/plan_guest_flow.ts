/**
 * The FlowSchema of all guests. Their requests share the few seats of the PriorityLevelConfiguration `keystone-guests`,
 * so that a flood of them doesn't affect other clients. Source: API Priority and Fairness (KEP-1040). As the only
 * object about all guests, it also records whether they may write (docs/adr/0031).
 */
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
import { sameJson } from "./same_json.ts";

/** A grantee and the known subjects of its guests. */
export interface FlowGrantee {
  name: string;
  subjects?: readonly RealmSubject[] | undefined;
}

/** Limit that keeps the object below etcd's size limit; further subjects share the seats of all other clients. */
export const maxFlowSubjects = 6000;

/**
 * Precedence after the operator's own FlowSchema (300), before those of ServiceAccounts and all clients (9000, 9900).
 */
const matchingPrecedence = 2000;

/**
 * Returns the subjects whose requests count as guests', sorted and unique: those of every grantee, the accounts of its
 * guest namespace, whose tokens guests can read in their pods, and the accounts of the operator's namespace without a
 * separate FlowSchema, which are `realm-*`. Kubernetes' own users and groups are excluded, because a Realm that names
 * one must not slow down the cluster.
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

/** Builds the desired FlowSchema. Each user is a separate flow, so that one guest's flood doesn't starve another. */
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
  /** True if the cluster has the PriorityLevelConfiguration `keystone-guests`. */
  hasLevel: boolean;
  /** Writes that guests may make; recorded even without a priority level. */
  guestWrites: GuestWrites;
}

/** Plans the FlowSchema. Nothing is written if it is as desired, or if the priority level is missing. */
export function planGuestFlow({ grantees, present, hasLevel, guestWrites }: GuestFlowWorld): Plan {
  const isTold = (present?.guestWrites ?? "Open") === guestWrites;
  if (!hasLevel && isTold) return { stages: [] };
  const desired = guestFlowOf(grantees, guestWrites);
  const isSame = present && isTold && sameJson(present.spec, desired.spec) &&
    present.labels[managedByLabel] === managedBy;
  return { stages: isSame ? [] : [{ kind: "close", effects: [{ apply: desired }] }] };
}
