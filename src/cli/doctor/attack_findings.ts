/** Proves the guards by behavior: sends forbidden requests as the guests, as dry runs. */
import {
  type ClientConfig,
  type ClosableRestClient,
  isApiError,
  type RestClient,
} from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api, type Namespace } from "../../../lib/kubernetes_apis/core@v1.ts";
import { RbacAuthorizationV1Api, type Subject } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { type GuardName, guardsRevision } from "../../api/mod.ts";
import { guardsAnnotation, guestRole, realmLabel, warnAnnotation } from "../../core/names.ts";
import { type DoctorFinding, fail, ok, someOf, unknown } from "./doctor_finding.ts";
import { type GuestAttack, guestAttacks } from "./guest_attacks.ts";

const name = "attacks";

/** Number of guest namespaces to try; a request takes a few milliseconds. */
const mostNamespaces = 10;

/** One tried request. */
type Outcome = "refused" | "allowed" | { notTried: string };

interface Guest {
  namespace: string;
  subject: Subject;
  /** Guards that only warn there, or aren't in force yet. */
  warned: ReadonlySet<string>;
  /** True if an operator with the newest guards manages the namespace. */
  isCurrent: boolean;
}

/** Sends each attack as one guest of each realm. `config` is the user's own. */
export async function attackFindings(
  rest: RestClient,
  config: ClientConfig,
  connect: (config: ClientConfig) => ClosableRestClient,
): Promise<DoctorFinding[]> {
  const guests = await guestsIn(rest);
  const asAdmin = "Run keystone doctor as a cluster admin, who may impersonate users.";
  if (guests.length === 0) {
    return [unknown(
      name,
      "There is no guest namespace with access, so no forbidden request was tried.",
      "Run keystone doctor again when a grant is active.",
    )];
  }
  const reached: string[] = [];
  const open: DoctorFinding[] = [];
  const notTried = new Map<string, string[]>();
  for (const guest of guests.slice(0, mostNamespaces)) {
    using asGuest = connect(impersonating(config, guest));
    const outcomes = await Promise.all(
      guestAttacks.map(async (attack) => [attack, await tryAttack(asGuest, guest, attack)] as const),
    );
    for (const [attack, outcome] of outcomes) {
      if (outcome === "refused") reached.push(attack.title);
      else if (outcome === "allowed") open.push(await opened(rest, guest, attack));
      else notTried.set(outcome.notTried, [...notTried.get(outcome.notTried) ?? [], attack.title]);
    }
  }
  const skipped = [...notTried].map(([reason, titles]) =>
    unknown(name, `Not tried as a guest (${someOf([...new Set(titles)], 3)}): ${reason}`, asAdmin)
  );
  if (open.length > 0) return [...open, ...skipped];
  if (reached.length === 0) return skipped;
  const where = someOf(guests.slice(0, mostNamespaces).map(({ namespace }) => namespace));
  return [
    ok(name, `${reached.length} forbidden requests were tried as guests in ${where}: all were refused.`),
    ...skipped,
  ];
}

async function opened(
  rest: RestClient,
  { namespace, subject }: Guest,
  { title, guard, by }: GuestAttack,
): Promise<DoctorFinding> {
  const can = `${subject.kind} ${subject.name} can create ${title} in ${namespace}: `;
  if (guard !== undefined) {
    return fail(name, `${can}guard ${guard} does not refuse it.`, "kubectl apply -k deploy/kustomize/base");
  }
  if (by === "rights") {
    return fail(name, `${can}a role other than ${guestRole} gives the right.`, await unbind(rest, namespace, subject));
  }
  const remedy = `kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=restricted --overwrite`;
  return fail(name, `${can}Pod Security does not refuse it.`, remedy);
}

/** Returns the commands that delete the subject's other bindings, or the one that lists all bindings. */
async function unbind(rest: RestClient, namespace: string, { kind, name }: Subject): Promise<string> {
  const api = new RbacAuthorizationV1Api(rest);
  const all = "Delete the binding that gives it: kubectl get clusterrolebindings,rolebindings -A -o wide";
  try {
    const [ofCluster, ofNamespace] = await Promise.all([
      api.clusterRoleBindings.all(),
      api.namespace(namespace).roleBindings.all(),
    ]);
    const names = (bindings: typeof ofCluster | typeof ofNamespace): string[] =>
      bindings.filter(({ subjects }) => subjects?.some((each) => each.kind === kind && each.name === name))
        .map(({ metadata }) => metadata!.name!).filter((binding) => !binding.startsWith("keystone-"));
    const commands = [
      ...names(ofCluster).map((binding) => `kubectl delete clusterrolebinding ${binding}`),
      ...names(ofNamespace).map((binding) => `kubectl delete -n ${namespace} rolebinding ${binding}`),
    ];
    return commands.length > 0 ? commands.join(" && ") : all;
  } catch (error) {
    if (!isApiError(error, 403)) throw error;
    return all;
  }
}

async function guestsIn(rest: RestClient): Promise<Guest[]> {
  const namespaces = await new CoreV1Api(rest).namespaces.all({ labelSelector: realmLabel });
  const found = await Promise.all(namespaces.map(async (namespace) => {
    const place = namespace.metadata!.name!;
    try {
      const { subjects = [] } = await new RbacAuthorizationV1Api(rest).namespace(place).roleBindings.get(guestRole);
      return subjects.slice(0, 1).map((subject) => ({ namespace: place, subject, ...guardsOf(namespace) }));
    } catch (error) {
      if (!isApiError(error, 404)) throw error;
      return [];
    }
  }));
  return found.flat();
}

function guardsOf({ metadata }: Namespace): { warned: ReadonlySet<string>; isCurrent: boolean } {
  const annotations = metadata?.annotations ?? {};
  return {
    warned: new Set((annotations[warnAnnotation] ?? "").split(",")),
    isCurrent: Number(annotations[guardsAnnotation] ?? 0) >= guardsRevision,
  };
}

/** Returns the configuration to act as the guest, with the groups that the API server would give them. */
function impersonating(config: ClientConfig, { subject }: Guest): ClientConfig {
  const { kind, name, namespace } = subject;
  const [user, groups] = kind === "ServiceAccount"
    ? [
      `system:serviceaccount:${namespace}:${name}`,
      ["system:serviceaccounts", `system:serviceaccounts:${namespace}`],
    ]
    : kind === "Group"
    ? ["keystone-doctor", [name]]
    : [name, []];
  const headers = [
    ["Impersonate-User", user],
    ...[...groups, "system:authenticated"].map((group) => ["Impersonate-Group", group]),
  ] as [string, string][];
  const own = (config.headers ?? []).filter(([header]) => !/^impersonate-/i.test(header));
  return { ...config, headers: [...own, ...headers] };
}

async function tryAttack(rest: RestClient, guest: Guest, attack: GuestAttack): Promise<Outcome> {
  const { guard, or = [], by } = attack;
  if (guard !== undefined && isWarned(guest, guard)) return { notTried: `the guard ${guard} only warns.` };
  try {
    await rest.performRequest({
      method: "POST",
      path: attack.path(guest.namespace),
      querystring: new URLSearchParams({ dryRun: "All" }),
      bodyJson: attack.body,
    });
    return "allowed";
  } catch (error) {
    if (!isApiError(error)) throw error;
    const { message } = error;
    if (/cannot impersonate /.test(message)) return { notTried: "you may not impersonate guests." };
    if (guard !== undefined && [guard, ...or].some((each) => message.includes(`(guard ${each})`))) return "refused";
    if (by === "Pod Security" && /violates PodSecurity|\(guard [a-z-]+\)/.test(message)) return "refused";
    const [, policy] = /ValidatingAdmissionPolicy '([^']*)'/.exec(message) ?? [];
    if (policy !== undefined) return { notTried: `the policy ${policy} refuses it before.` };
    if (isApiError(error, 403) && / cannot create resource /.test(message)) {
      if (by === "rights") return "refused";
      return { notTried: "guests have no right to create it at all." };
    }
    // These are asked after the guards: they would have refused only what the guards allow.
    if (/exceeded quota|failed quota|admission webhook "workloads\.keystone\.io"/.test(message)) return "allowed";
    return { notTried: `the API server answered: ${message.slice(0, 200)}` };
  }
}

const isWarned = ({ warned, isCurrent }: Guest, guard: GuardName): boolean => !isCurrent || warned.has(guard);
