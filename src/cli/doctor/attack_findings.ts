/** Proves the guards by behavior: sends forbidden requests as the guests, as dry runs. */
import { type ClientConfig, createRestClient, isApiError, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api, type Namespace } from "../../../lib/kubernetes_apis/core@v1.ts";
import { RbacAuthorizationV1Api, type Subject } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { type GuardName, guardsRevision } from "../../api/mod.ts";
import { guardsAnnotation, guestRole, realmLabel, warnAnnotation } from "../../core/names.ts";
import { version } from "../../version.ts";
import { fail, type Finding, listed, ok, unknown } from "./finding.ts";
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
export async function attackFindings(rest: RestClient, config: ClientConfig): Promise<Finding[]> {
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
  const open: Finding[] = [];
  const notTried = new Map<string, string[]>();
  for (const guest of guests.slice(0, mostNamespaces)) {
    using asGuest = createRestClient(impersonating(config, guest), {
      userAgent: `keystone-cli/${version}`,
      timeoutMs: 15_000,
    });
    const outcomes = await Promise.all(
      guestAttacks.map(async (attack) => [attack, await tryAttack(asGuest, guest, attack)] as const),
    );
    for (const [attack, outcome] of outcomes) {
      if (outcome === "refused") reached.push(attack.title);
      else if (outcome === "allowed") open.push(opened(guest, attack));
      else notTried.set(outcome.notTried, [...notTried.get(outcome.notTried) ?? [], attack.title]);
    }
  }
  const skipped = [...notTried].map(([reason, titles]) =>
    unknown(name, `Not tried as a guest (${listed([...new Set(titles)], 3)}): ${reason}`, asAdmin)
  );
  if (open.length > 0) return [...open, ...skipped];
  if (reached.length === 0) return skipped;
  const where = listed(guests.slice(0, mostNamespaces).map(({ namespace }) => namespace));
  return [
    ok(name, `${reached.length} forbidden requests were tried as guests in ${where}: all were refused.`),
    ...skipped,
  ];
}

function opened({ namespace, subject }: Guest, { title, guard, by }: GuestAttack): Finding {
  const remedies: Record<string, string> = {
    "Pod Security": `kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=restricted --overwrite`,
    rights: `kubectl get rolebindings,clusterrolebindings -A -o wide | grep -w ${JSON.stringify(subject.name)}`,
  };
  return fail(
    name,
    `${subject.kind} ${subject.name} can create ${title} in ${namespace}: ` +
      (guard === undefined
        ? by === "rights" ? "another role than the guests' gives the right." : "Pod Security does not refuse it."
        : `guard ${guard} does not refuse it.`),
    guard === undefined ? remedies[by!]! : "kubectl apply -k deploy/kustomize/base",
  );
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
  const { guard, by } = attack;
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
    if (/ValidatingAdmissionPolicy 'keystone-/.test(message)) return "refused";
    if (/violates PodSecurity/.test(message)) return "refused";
    if (isApiError(error, 403) && / cannot create resource /.test(message)) {
      if (by === "rights") return "refused";
      return { notTried: "guests have no right to create it at all." };
    }
    // The quota is checked after the guards: it would have refused only what they allow.
    if (/exceeded quota|failed quota/.test(message)) return "allowed";
    return { notTried: `the API server answered: ${message.slice(0, 200)}` };
  }
}

const isWarned = ({ warned, isCurrent }: Guest, guard: GuardName): boolean => !isCurrent || warned.has(guard);
