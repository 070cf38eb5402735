/** The people of a realm, as RBAC names them. */
import type { Subject } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { RealmSubject } from "../../api/mod.ts";
import { systemNamespace } from "../names.ts";

/** The people of a realm: its subjects, and the accounts that stand for them. */
export const subjectsOf = (subjects: readonly RealmSubject[], accounts: readonly string[]): Subject[] => [
  ...subjects.map(({ kind, name }) => ({ apiGroup: "rbac.authorization.k8s.io", kind, name })),
  ...accounts.map((name) => ({ kind: "ServiceAccount", namespace: systemNamespace, name })),
];

/** By which two subjects are the same. */
export const subjectKey = (
  { kind, namespace = "", name }: { kind: string; namespace?: string; name: string },
): string => `${kind}/${namespace}/${name}`;
