/** The RoleBinding that gives the realm's people access to the namespace. */
import {
  type RoleBinding,
  roleBindings,
  type Subject,
} from "../../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { BindingFacts } from "../../facts.ts";
import { interned } from "../../interned.ts";
import { accountAnnotation, guestNamespace, guestRole, ownerLabels, realmGroup } from "../../names.ts";
import { accountNames, accountRecord } from "../../realm/account.ts";
import { subjectKey, subjectsOf } from "../../realm/subjects.ts";
import type { Guest } from "./guest.ts";
import { isClosedByDefault } from "./network_policies.ts";
import { isInForce } from "./quota.ts";
import { applied, deleted, guestObject, isLabelled, type RowChange } from "./row.ts";

/**
 * Builds the binding.
 *
 * @param record people for whom an account created now is valid
 */
const bindingOf = (realm: string, subjects: Subject[], record: string): RoleBinding => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "RoleBinding",
  metadata: {
    name: guestRole,
    namespace: guestNamespace(realm),
    labels: ownerLabels(realm),
    annotations: { [accountAnnotation]: record },
  },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: guestRole },
  subjects,
});

function build({ grantee, realm, accounts = [], binding, access }: Guest): RoleBinding | undefined {
  if (!access || !realm) return undefined;
  const people = realm.spec.subjects ?? [{ kind: "Group" as const, name: realmGroup(grantee) }];
  return bindingOf(grantee, subjectsOf(people, accountNames({ realm, accounts, binding })), accountRecord(realm));
}

const hasRoleOf = ({ roleRef }: BindingFacts, { roleRef: { kind, name } }: RoleBinding): boolean =>
  roleRef.kind === kind && roleRef.name === name;

const isSame = (wanted: RoleBinding, { account }: BindingFacts): boolean =>
  account === wanted.metadata!.annotations![accountAnnotation];

/**
 * Access is removed first and granted last: only after the default deny and the quota are in force. Subjects that lose
 * access are removed before anything opens and before others are added.
 */
function changes(wanted: RoleBinding | undefined, present: BindingFacts | undefined, guest: Guest): RowChange[] {
  const { grantee, access, quota, hard, policies } = guest;
  if (!access) return present ? [{ stage: "access goes", effect: deleted(roleBindings, present) }] : [];
  if (!wanted) return [];
  const comes = (effect: RowChange["effect"]): RowChange[] => [{ stage: "access comes", effect }];
  if (!present) return isClosedByDefault(grantee, policies) && isInForce(quota, hard) ? comes(applied(wanted)) : [];
  // The role of a binding is immutable: a binding with another role is deleted first.
  if (!hasRoleOf(present, wanted)) return comes(deleted(roleBindings, present));
  const before = new Set(present.subjects.map(subjectKey));
  const subjects = wanted.subjects!.filter((each) => before.has(subjectKey(each)));
  const isNarrowed = subjects.length < present.subjects.length;
  const isWidened = subjects.length < wanted.subjects!.length;
  const same = isLabelled(wanted, present) && isSame(wanted, present);
  return [
    ...(isNarrowed ? [{ stage: "access narrows" as const, effect: applied({ ...wanted, subjects }) }] : []),
    ...(isWidened || (!same && !isNarrowed) ? comes(applied(wanted)) : []),
  ];
}

export const binding = guestObject({
  part: "access",
  resource: roleBindings,
  name: guestRole,
  cache: "bindings",
  stage: "access comes",
  project: ({ metadata, roleRef, subjects = [] }) => {
    const account = metadata!.annotations?.[accountAnnotation];
    return {
      roleRef: interned({ kind: roleRef.kind, name: roleRef.name }),
      subjects: subjects.map(({ kind, name, namespace }) => ({
        kind,
        name,
        ...(namespace === undefined ? {} : { namespace }),
      })),
      ...(account === undefined ? {} : { account }),
    };
  },
  build,
  same: isSame,
  changes,
  content: ({ subjects }: BindingFacts) => ({ subjects: subjects.map(({ kind, name }) => ({ kind, name })) }),
});
