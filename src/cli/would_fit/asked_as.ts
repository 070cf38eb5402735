/** The user as whom the API server is asked: the one who will apply the objects. */
import {
  type ClientConfig,
  type ClosableRestClient,
  isApiError,
  type JSONValue,
  type RestClient,
} from "../../../lib/kubernetes/mod.ts";
import {
  type PolicyRule,
  RbacAuthorizationV1Api,
  type Subject,
} from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { guestRole } from "../../core/names.ts";
import { isForbidden } from "../grant_summary.ts";

export interface Asker extends Disposable {
  rest: RestClient;
  /** User name. */
  name: string;
  /** True if the user has the guests' rights, so that a refusal of a right is the answer. */
  isGuest: boolean;
  /** The guests' rights, if the user is not a guest; undefined if they can't be read. */
  guestRules?: readonly PolicyRule[];
}

interface User {
  username?: string;
  groups?: string[];
}

/**
 * Returns the caller, if that is the realm; else one of its subjects, if the caller may impersonate it; else the caller
 * with the rules of the guests' ClusterRole.
 *
 * @param connect opens another client of the same server
 */
export async function askerOf(
  rest: RestClient,
  config: ClientConfig,
  connect: (config: ClientConfig) => ClosableRestClient,
  namespace: string,
): Promise<Asker> {
  const rbac = new RbacAuthorizationV1Api(rest);
  const [user, binding] = await Promise.all([
    callerOf(rest),
    rbac.namespace(namespace).roleBindings.get(guestRole).catch(unreadable),
  ]);
  const caller = { rest, name: user.username ?? "the caller", [Symbol.dispose]: () => {} };
  // Guests may not read their binding.
  if (binding === "forbidden") return { ...caller, isGuest: true };
  const subjects = binding?.subjects ?? [];
  if (subjects.some((subject) => isSubject(user, subject))) return { ...caller, isGuest: true };
  const chosen = isImpersonating(config) ? undefined : await firstAllowed(rest, subjects);
  if (chosen !== undefined) {
    const client = connect({ ...config, headers: [...config.headers ?? [], ...chosen.headers] });
    return { rest: client, name: chosen.name, isGuest: true, [Symbol.dispose]: () => client[Symbol.dispose]() };
  }
  const role = await rbac.clusterRoles.get(guestRole).catch(unreadable);
  return {
    ...caller,
    isGuest: false,
    ...(role === undefined || role === "forbidden" ? {} : { guestRules: role.rules ?? [] }),
  };
}

function unreadable(error: unknown): "forbidden" | undefined {
  if (isForbidden(error)) return "forbidden";
  if (isApiError(error, 404)) return undefined;
  throw error;
}

const isImpersonating = ({ headers = [] }: ClientConfig): boolean =>
  headers.some(([name]) => name.toLowerCase() === "impersonate-user");

async function callerOf(rest: RestClient): Promise<User> {
  try {
    const review = await created(rest, "authentication.k8s.io", "SelfSubjectReview", {});
    return (review as { status?: { userInfo?: User } }).status?.userInfo ?? {};
  } catch (error) {
    if (isForbidden(error) || isApiError(error, 404)) return {};
    throw error;
  }
}

const created = (rest: RestClient, group: string, kind: string, spec: JSONValue): Promise<JSONValue> =>
  rest.performRequest({
    method: "POST",
    path: `/apis/${group}/v1/${kind.toLowerCase()}s`,
    bodyJson: { apiVersion: `${group}/v1`, kind, ...(kind === "SelfSubjectReview" ? {} : { spec }) },
  });

/** User name of a ServiceAccount. */
const accountUser = ({ namespace, name }: Subject): string => `system:serviceaccount:${namespace}:${name}`;

function isSubject({ username, groups = [] }: User, subject: Subject): boolean {
  switch (subject.kind) {
    case "ServiceAccount":
      return username === accountUser(subject);
    case "Group":
      return groups.includes(subject.name);
    default:
      return username === subject.name;
  }
}

interface Impersonation {
  name: string;
  headers: readonly (readonly [string, string])[];
  /** Rights that it takes. */
  needs: readonly { resource: string; name: string; namespace?: string }[];
}

function impersonationOf(subject: Subject): Impersonation {
  const { kind, name, namespace = "" } = subject;
  if (kind === "ServiceAccount") {
    const user = accountUser(subject);
    return {
      name: user,
      headers: [["Impersonate-User", user]],
      needs: [{ resource: "serviceaccounts", name, namespace }],
    };
  }
  const users = { resource: "users", name };
  return kind === "Group"
    ? {
      name: `a member of ${name}`,
      headers: [["Impersonate-User", name], ["Impersonate-Group", name]],
      needs: [users, { resource: "groups", name }],
    }
    : { name, headers: [["Impersonate-User", name]], needs: [users] };
}

async function firstAllowed(rest: RestClient, subjects: readonly Subject[]): Promise<Impersonation | undefined> {
  const order = ["ServiceAccount", "User", "Group"];
  const all = subjects.map(impersonationOf)
    .map((each, index) => ({ each, rank: order.indexOf(subjects[index]!.kind) }))
    .sort((a, b) => a.rank - b.rank).map(({ each }) => each);
  const allowed = await Promise.all(
    all.map(async ({ needs }) =>
      (await Promise.all(needs.map(async ({ resource, name, namespace }) => {
        const review = await created(rest, "authorization.k8s.io", "SelfSubjectAccessReview", {
          resourceAttributes: { verb: "impersonate", resource, name, ...(namespace ? { namespace } : {}) },
        });
        return (review as { status?: { allowed?: boolean } }).status?.allowed === true;
      }))).every(Boolean)
    ),
  );
  return all.find((_, index) => allowed[index]);
}

/** Reports whether the rules allow the verb. */
export const ruleAllows = (
  rules: readonly PolicyRule[],
  { verb, group, resource, name }: { verb: string; group: string; resource: string; name: string },
): boolean =>
  rules.some(({ verbs, apiGroups = [], resources = [], resourceNames = [] }) =>
    (verbs.includes("*") || verbs.includes(verb)) &&
    (apiGroups.includes("*") || apiGroups.includes(group)) &&
    (resources.includes("*") || resources.includes(resource)) &&
    (resourceNames.length === 0 || (verb !== "create" && resourceNames.includes(name)))
  );
