/** Checks the rights of Keystone's own accounts by use: the API server is asked about each right of the shipped roles. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { RbacAuthorizationV1Api } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { isForbidden } from "../grant_summary.ts";
import { type DoctorFinding, fail, ok, someOf, unknown, warn } from "./doctor_finding.ts";
import { installedName, type InstalledObject } from "./installed_objects.ts";
import { roleRemedy } from "./role_findings.ts";
import { inWordsOfRight, type Right, rightsOf, type Rule } from "./role_rights.ts";
import type { ShippedObject } from "./shipped_manifests.ts";

const name = "rights";

/** An account, as the subject of a binding. */
interface Account {
  namespace: string;
  name: string;
}

/** A right that a shipped role and its binding give to an account. */
export interface NeededRight extends Right {
  account: Account;
  /** The namespace in which the account needs it; undefined: in all. */
  namespace?: string;
  /** The role and the binding. */
  by: readonly ShippedObject[];
}

/** An installed part of Keystone, and the command that installs it. */
export interface InstalledPart {
  installed: readonly InstalledObject[];
  install: string;
}

interface Binding {
  roleRef: { kind: string; name: string };
  subjects?: { kind: string; name: string; namespace?: string }[];
}

const bindingOf = (object: ShippedObject): Binding => object as unknown as Binding;
const isBinding = ({ kind }: ShippedObject): boolean => kind === "ClusterRoleBinding" || kind === "RoleBinding";

/** Returns the rights that the shipped bindings give to accounts, one by one. */
export function neededRights(shipped: readonly ShippedObject[]): NeededRight[] {
  return shipped.filter(isBinding).flatMap((binding) => {
    const { roleRef, subjects = [] } = bindingOf(binding);
    const { namespace } = binding.metadata;
    const role = shipped.find(({ kind, metadata }) =>
      kind === roleRef.kind && metadata.name === roleRef.name &&
      (kind === "ClusterRole" || metadata.namespace === namespace)
    );
    const accounts = subjects.filter(({ kind }) => kind === "ServiceAccount");
    return accounts.flatMap(({ name, namespace: home }) =>
      (role?.rules as Rule[] | undefined ?? []).flatMap(rightsOf).map((right) => ({
        ...right,
        account: { namespace: home!, name },
        ...(namespace === undefined ? {} : { namespace }),
        by: [role!, binding],
      }))
    );
  });
}

/** A needed right that the API server refuses; its reason may be empty. */
export interface MissingRight extends NeededRight {
  reason: string;
}

/** Asks the API server about each of the rights, and returns those that it refuses. */
export async function missingRightsByUse(rest: RestClient, needed: readonly NeededRight[]): Promise<MissingRight[]> {
  const reasons = await Promise.all(needed.map((each) => refusalOf(rest, each)));
  return needed.flatMap((each, index) => {
    const reason = reasons[index];
    return reason === undefined ? [] : [{ ...each, reason }];
  });
}

/** Returns the reason of a refusal; undefined if the API server allows it. */
async function refusalOf(rest: RestClient, needed: NeededRight): Promise<string | undefined> {
  const { account, verb, path, group, resource, only, namespace } = needed;
  const [plural, subresource] = resource?.split("/") ?? [];
  const { status } = await rest.performRequest({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    bodyJson: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: `system:serviceaccount:${account.namespace}:${account.name}`,
        groups: ["system:serviceaccounts", `system:serviceaccounts:${account.namespace}`, "system:authenticated"],
        ...(path === undefined
          ? {
            resourceAttributes: {
              verb,
              group,
              resource: plural,
              ...(subresource === undefined ? {} : { subresource }),
              ...(only === undefined ? {} : { name: only }),
              ...(namespace === undefined ? {} : { namespace }),
            },
          }
          : { nonResourceAttributes: { verb, path } }),
      },
    },
  }) as { status: { allowed: boolean; reason?: string; evaluationError?: string } };
  return status.allowed ? undefined : status.reason || status.evaluationError || "";
}

/** Asks the API server about each right that Keystone's accounts need, and about roles that others gave them. */
export async function rightFindings(rest: RestClient, parts: readonly InstalledPart[]): Promise<DoctorFinding[]> {
  const shipped = parts.flatMap(({ installed }) => installed.map(({ shipped }) => shipped));
  const needed = neededRights(shipped);
  if (needed.length === 0) return [];
  try {
    const missing = await missingRightsByUse(rest, needed);
    const found = [
      ...Map.groupBy(missing, ({ account }) => nameOf(account)).values().map((rights) => missingFinding(rights, parts)),
      ...await otherBindings(rest, shipped).catch((error): DoctorFinding[] => {
        if (!isForbidden(error)) throw error;
        return [];
      }),
    ];
    return found.length > 0
      ? found
      : [ok(name, `Keystone's accounts have each of the ${needed.length} rights that they need.`)];
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return [unknown(
      name,
      "You have no right to ask for the rights of Keystone's accounts.",
      "Run keystone doctor as a cluster admin to include this check.",
    )];
  }
}

const nameOf = ({ namespace, name }: Account): string => `${namespace}/${name}`;

function missingFinding(
  missing: readonly MissingRight[],
  parts: readonly InstalledPart[],
): DoctorFinding {
  const { account } = missing[0]!;
  const words = missing.map((right) =>
    inWordsOfRight(right) + (right.namespace === undefined ? "" : ` in ${right.namespace}`)
  );
  const reasons = [...new Set(missing.map(({ reason }) => reason).filter(Boolean))];
  const what = `ServiceAccount ${nameOf(account)} may not ${someOf(words)}: ${
    consequences[account.name] ?? "it can't do its work"
  }.`;
  const said = reasons.length === 0 ? "" : ` The API server's reason: ${someOf(reasons, 2)}`;
  const carriers = new Set(missing.flatMap(({ by }) => by));
  const remedies = parts.flatMap(({ installed, install }) =>
    installed.filter(({ shipped }) => carriers.has(shipped)).flatMap((each) => roleRemedy(each, install) ?? [])
  );
  return fail(
    name,
    what + said,
    remedies.length > 0
      ? [...new Set(remedies)].join(" && ")
      : "The shipped roles and bindings are there, so another authorizer refuses it: change the API server's " +
        "--authorization-config or --authorization-webhook-config-file.",
  );
}

const consequences: Readonly<Record<string, string>> = {
  "keystone-operator": "grants may not start or end",
  "keystone-front": "the admission webhook can't answer, or guests have no access over the tailnet",
};

interface NamedBinding extends Binding {
  metadata: { name: string; namespace?: string };
}

/**
 * Reports bindings that give Keystone's accounts other roles.
 *
 * @throws ApiError if the user may not read bindings
 */
async function otherBindings(rest: RestClient, shipped: readonly ShippedObject[]): Promise<DoctorFinding[]> {
  const accounts = shipped.filter(({ kind }) => kind === "ServiceAccount").map(({ metadata }) => metadata as Account);
  const own = new Set(shipped.filter(isBinding).map(installedName));
  const api = new RbacAuthorizationV1Api(rest);
  const [ofCluster, ofNamespaces] = await Promise.all([api.clusterRoleBindings.all(), api.roleBindings.all()]);
  const bindings = [
    ...ofCluster.map((binding) => ({ ...binding, kind: "ClusterRoleBinding" })),
    ...ofNamespaces.map((binding) => ({ ...binding, kind: "RoleBinding" })),
  ] as (NamedBinding & { kind: string })[];
  return bindings.flatMap(({ kind, metadata, roleRef, subjects = [] }) => {
    const binding = installedName({ kind, metadata } as ShippedObject);
    const account = accounts.find(({ name, namespace }) =>
      subjects.some((each) => each.kind === "ServiceAccount" && each.name === name && each.namespace === namespace)
    );
    if (account === undefined || own.has(binding)) return [];
    const place = metadata.namespace === undefined ? "" : ` -n ${metadata.namespace}`;
    return [warn(
      name,
      `${binding} gives ServiceAccount ${nameOf(account)} the ${roleRef.kind} ${roleRef.name}, which it does not need.`,
      `kubectl delete ${kind.toLowerCase()}${place} ${metadata.name}`,
    )];
  });
}
