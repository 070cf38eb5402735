/** RBAC subjects of a realm's people. */
import type { Subject } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { RealmSubject } from "../../api/mod.ts";
import { systemNamespace } from "../names.ts";

/** Returns the RBAC subjects: the realm's subjects, sorted, and their service accounts. */
export const subjectsOf = (subjects: readonly RealmSubject[], accounts: readonly string[]): Subject[] => [
  ...subjects.toSorted((a, b) => subjectKey(a) < subjectKey(b) ? -1 : 1).map(({ kind, name }) => ({
    apiGroup: "rbac.authorization.k8s.io",
    kind,
    name,
  })),
  ...accounts.map((name) => ({ kind: "ServiceAccount", namespace: systemNamespace, name })),
];

/** Returns a key that is equal for equal subjects. */
export const subjectKey = (
  { kind, namespace = "", name }: { kind: string; namespace?: string; name: string },
): string => `${kind}/${namespace}/${name}`;
