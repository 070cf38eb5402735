/** Approvers: a ClusterRole and its binding for each member Realm, with which the realm's subjects approve for it. */
import { isDeepStrictEqual } from "node:util";
import type {
  ClusterRole,
  ClusterRoleBinding,
  Subject,
} from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { type Effect, type Plan, stagesOf } from "../effects.ts";
import type { BindingFacts, ClusterBindingFacts, ClusterRoleFacts, IdentityFacts, RealmFacts } from "../facts.ts";
import { accountNames } from "../realm/account.ts";
import { subjectKey, subjectsOf } from "../realm/subjects.ts";
import { approverName, ownerLabels, realmGroup } from "../names.ts";

export interface ApproverWorld {
  /** Name of the realm. */
  name: string;
  realm: RealmFacts | undefined;
  /** Names of the SuperEntities that list it as a member. */
  entities: readonly string[];
  role: ClusterRoleFacts | undefined;
  binding: ClusterBindingFacts | undefined;
  /** Accounts created under the realm's name, and the guests' binding. */
  accounts?: readonly IdentityFacts[];
  guests?: BindingFacts | undefined;
}

/**
 * Plans the role and its binding in stages: rights are removed first from the binding, and granted last by it. Removed
 * subjects have a separate effect, which is executed even if adding others is rejected. For a Realm that is no longer a
 * member, the role is emptied and nobody is bound, because the operator may not delete roles. Both are owned by the
 * Realm and deleted with it.
 */
export function planApprover(world: ApproverWorld): Plan {
  const { name, realm, entities, role, binding, accounts = [], guests } = world;
  const present = realm?.deleting ? undefined : realm;
  const isMember = present !== undefined && entities.length > 0;
  if (!isMember && !role && !binding) return { stages: [] };
  const owner = present ?? undefined;
  const subjects = isMember
    ? subjectsOf(
      present.spec.subjects ?? [{ kind: "Group" as const, name: realmGroup(name) }],
      accountNames({ realm: present, accounts, binding: guests }),
    )
    : [];
  const bindingAs = (subjects: Subject[]) => written(bindingOf(name, owner, subjects), binding);
  const rules = rulesOf(name, isMember ? [...entities].sort() : []);
  const stays = binding ? subjects.filter((each) => isAmong(binding.subjects, each)) : [];
  const isNarrowed = binding !== undefined && stays.length < binding.subjects.length && stays.length < subjects.length;
  const isBound = binding && labelled(binding, name) && owned(binding, owner) && isDeepStrictEqual(
    binding.subjects.map(subjectKey),
    subjects.map(subjectKey),
  );
  const hasRules = role && labelled(role, name) && owned(role, owner) && isDeepStrictEqual(role.rules, rules);
  const ofBinding = (isMember || binding) && !isBound ? [bindingAs(subjects)] : [];
  const ofRole = (isMember || role) && !hasRules ? [written(roleOf(name, owner, rules), role)] : [];
  return {
    stages: isMember
      ? [...stagesOf("close", [isNarrowed ? [bindingAs(stays)] : []]), ...stagesOf("open", [ofRole, ofBinding])]
      : stagesOf("close", [ofBinding, ofRole]),
  };
}

/**
 * Returns the effect that writes an object. A missing one is created, not applied, so that a foreign object of that
 * name stays unchanged. One that has been deleted meanwhile was deleted with its Realm.
 */
const written = (object: ClusterRole | ClusterRoleBinding, seen: { uid: string } | undefined): Effect =>
  seen ? { apply: object, uid: seen.uid, ifPresent: true } : { create: object };

const isAmong = (subjects: ClusterBindingFacts["subjects"], subject: Subject): boolean =>
  subjects.some((each) => subjectKey(each) === subjectKey(subject));

const labelled = ({ labels }: { labels: Readonly<Record<string, string>> }, realm: string): boolean =>
  Object.entries(ownerLabels(realm)).every(([key, value]) => labels[key] === value);

/** Reports whether the object has its owner. The garbage collector removes references to deleted Realms. */
const owned = ({ owners }: { owners: readonly string[] }, owner: RealmFacts | undefined): boolean =>
  owner === undefined || owners.includes(owner.uid);

const metadataOf = (name: string, owner: RealmFacts | undefined) => ({
  name: approverName(name),
  labels: ownerLabels(name),
  ...(owner ? { ownerReferences: [{ apiVersion: "keystone.io/v1alpha1", kind: "Realm", name, uid: owner.uid }] } : {}),
});

const rulesOf = (name: string, entities: readonly string[]): NonNullable<ClusterRole["rules"]> =>
  entities.length === 0 ? [] : [
    { apiGroups: ["keystone.io"], resources: ["realms"], resourceNames: [name], verbs: ["approve"] },
    { apiGroups: ["keystone.io"], resources: ["superentities"], verbs: ["get", "list", "watch"] },
    // The admission policy keystone-approvals limits the changes they may make.
    { apiGroups: ["keystone.io"], resources: ["superentities"], resourceNames: [...entities], verbs: ["patch"] },
  ];

const roleOf = (
  name: string,
  owner: RealmFacts | undefined,
  rules: NonNullable<ClusterRole["rules"]>,
): ClusterRole => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: metadataOf(name, owner),
  rules,
});

const bindingOf = (
  name: string,
  owner: RealmFacts | undefined,
  subjects: Subject[],
): ClusterRoleBinding => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: metadataOf(name, owner),
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: approverName(name) },
  subjects,
});
