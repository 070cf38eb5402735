import type { Command } from "commander";
import { X509Certificate } from "node:crypto";
import { systemClock } from "../../lib/clock/mod.ts";
import {
  createRestClient,
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
  ServerTime,
} from "../../lib/kubernetes/mod.ts";
import { AdmissionregistrationV1Api } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { ApiextensionsV1Api } from "../../lib/kubernetes_apis/apiextensions.k8s.io@v1.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { CoordinationV1Api } from "../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { FlowcontrolApiserverV1Api } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import { RbacAuthorizationV1Api } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { LocalClient } from "../../lib/tailscale/mod.ts";
import { definitions, guardsRevision, revisionAnnotation, schemaRevision } from "../api/mod.ts";
import { webhookConfigurationName } from "../core/admission/configuration.ts";
import { NoStorageSize, readStorageSize } from "../controllers/storage_size.ts";
import {
  guardsAnnotation,
  guestFlowName,
  guestRole,
  guestWritesAnnotation,
  managedBy,
  managedByLabel,
  operatorName,
  systemNamespace,
} from "../core/names.ts";
import { gibibytes, parseGuestWrites, writesClosedCondition } from "../core/database_storage.ts";
import { version } from "../version.ts";
import { no } from "./exit.ts";
import { isForbidden } from "./grant_summary.ts";
import { Observed } from "./observed.ts";
import { refusedWorkloads } from "./refused_workloads.ts";
import { lossesByRollBack } from "./roll_back_command.ts";
import { type CommandAction, inLine, type Session, verb } from "./session.ts";

interface Check {
  name: string;
  status: "ok" | "warn" | "fail";
  message: string;
  remedy: string;
}

const ok = (name: string, message: string): Check => ({ name, status: "ok", message, remedy: "" });
const warn = (name: string, message: string, remedy: string): Check => ({ name, status: "warn", message, remedy });
const fail = (name: string, message: string, remedy: string): Check => ({ name, status: "fail", message, remedy });

export const doctorCommand = (run: CommandAction): Command =>
  verb("doctor", "Looks at everything that Keystone needs, and says how to mend what is missing.", [
    "keystone doctor",
    "keystone doctor --ts-socket /var/run/tailscale/tailscaled.sock",
    "keystone doctor --roll-back",
    "keystone doctor -o json | jq '.checks[] | select(.status != \"ok\")'",
  ])
    .option("--ts-socket <path>", "socket of the tailscaled that the operator uses (default: TS_SOCKET)")
    .option("--roll-back", "say also what would open, end or go if the version before were installed again")
    .action(run(async (session, options) => {
      const time = new ServerTime(systemClock);
      const config = await session.clusterConfig();
      using rest = createRestClient(config, {
        userAgent: `keystone-cli/${version}`,
        timeoutMs: 15_000,
        onRequest: (record) => time.observe(record),
      });
      // Without this one there is no other.
      const { gitVersion } = await rest.performRequest({ method: "GET", path: "/version" }) as { gitVersion: string };
      const socket = options.tsSocket ?? (session.io.env("TS_SOCKET") || undefined);
      const checks = (await Promise.all([
        cluster(gitVersion, config.server),
        resources(rest),
        operator(rest, session.io.now()),
        guards(rest),
        workloads(rest),
        role(rest),
        webhook(rest, session.io.now()),
        ranges(rest, session),
        storage(rest, session),
        network(rest),
        tailnet(socket as string | undefined),
        terms(rest),
        ...(options.rollBack ? [rollBack(rest, session)] : []),
      ].map((check) => check.catch(unreadable)))).flat();
      checks.push(clocks(time.skewMs()));
      if (!session.data({ checks })) {
        const { green, yellow, red } = session.colours;
        const mark = { ok: green("ok  "), warn: yellow("warn"), fail: red("fail") };
        for (const { name, status, message, remedy } of checks) {
          session.say(`${mark[status]}  ${name}: ${inLine(message)}${remedy ? `\n      → ${remedy}` : ""}`);
        }
      }
      if (checks.some(({ status }) => status === "fail")) throw no();
    }));

/** A check that may not look says so. */
function unreadable(error: unknown): Check {
  if (!isForbidden(error)) throw error;
  return warn("rbac", (error as Error).message, "Run it as a cluster admin to have this looked at too.");
}

// deno-lint-ignore require-await
async function cluster(gitVersion: string, server: string): Promise<Check> {
  const [, minor] = /^v1\.(\d+)/.exec(gitVersion) ?? [];
  return Number(minor) >= 30
    ? ok("cluster", `Kubernetes ${gitVersion} at ${server}.`)
    : fail("cluster", `Kubernetes ${gitVersion} at ${server} is too old.`, "Upgrade it to 1.30 or newer.");
}

async function resources(rest: RestClient): Promise<Check[]> {
  const api = new ApiextensionsV1Api(rest).customResourceDefinitions;
  return await Promise.all(definitions.map(async ({ plural }) => {
    const name = `${plural}.keystone.io`;
    const remedy = "kubectl apply -f crds/";
    try {
      const { metadata, status } = await api.get(name);
      const revision = Number(metadata.annotations?.[revisionAnnotation] ?? 0);
      const established = status?.conditions?.some(({ type, status }) => type === "Established" && status === "True");
      if (!established) return fail("crds", `${name} is not established.`, remedy);
      if (revision < schemaRevision) {
        return fail("crds", `${name} is of revision ${revision}, this is ${schemaRevision}.`, remedy);
      }
      return ok("crds", `${name} is of revision ${revision}.`);
    } catch (error) {
      if (!isApiError(error, 404)) throw error;
      return fail("crds", `${name} is missing.`, remedy);
    }
  }));
}

async function operator(rest: RestClient, now: number): Promise<Check> {
  const remedy =
    "Start it: deno task run, or look at its log: kubectl logs -n keystone-system deploy/keystone-operator";
  try {
    const { spec } = await new CoordinationV1Api(rest).namespace(systemNamespace).leases.get(operatorName);
    const renewed = Date.parse(spec?.renewTime ?? "");
    const age = Math.round((now - renewed) / 1000);
    if (!spec?.holderIdentity) return fail("operator", "No operator holds the Lease: nothing ends on time.", remedy);
    return age > 2 * (spec.leaseDurationSeconds ?? 15)
      ? fail("operator", `${spec.holderIdentity} last renewed the Lease ${age} s ago: nothing ends on time.`, remedy)
      : ok("operator", `${spec.holderIdentity} holds the Lease.`);
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return fail("operator", "No operator has ever run here: there is no Lease.", remedy);
  }
}

/** Bindings of the policies that refuse. */
export const guardBindings: readonly string[] = [
  "keystone-approvals",
  "keystone-fence",
  "keystone-namespaces",
  "keystone-own-objects",
  "keystone-realms",
  "keystone-status",
  "keystone-guest-pods",
  "keystone-guest-devices",
  "keystone-guest-devices-in-templates",
  "keystone-guest-ends",
  "keystone-guest-scale",
  "keystone-guest-services",
  "keystone-guest-claims",
  "keystone-guest-storage-classes",
  "keystone-guest-secrets",
  "keystone-guest-data",
  "keystone-guest-metadata",
  "keystone-guest-writes",
];

async function guards(rest: RestClient): Promise<Check> {
  const api = new AdmissionregistrationV1Api(rest).validatingAdmissionPolicyBindings;
  const missing: string[] = [];
  for (const name of guardBindings) {
    try {
      await api.get(name);
    } catch (error) {
      if (!isApiError(error, 404)) throw error;
      missing.push(name);
    }
  }
  if (missing.length > 0) {
    return fail(
      "guards",
      `${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing: guests are less fenced in.`,
      "kubectl apply -k deploy/kustomize/base",
    );
  }
  const heldBack = await withoutGuards(rest);
  return heldBack.length === 0 ? ok("guards", "The guards hold, the operator or not.") : warn(
    "guards",
    `In ${heldBack.slice(0, 5).join(", ")}${
      heldBack.length > 5 ? ", …" : ""
    } only the guards of before hold: no operator of ` +
      "this version looks after it.",
    "Finish the upgrade: kubectl -n keystone-system get pods",
  );
}

/** The guest namespaces that no operator with these guards has looked after. */
async function withoutGuards(rest: RestClient): Promise<string[]> {
  const items = await new CoreV1Api(rest).namespaces.all({ labelSelector: `${managedByLabel}=${managedBy}` });
  return items.flatMap(({ metadata }) =>
    Number(metadata!.annotations?.[guardsAnnotation] ?? 0) < guardsRevision ? metadata!.name! : []
  );
}

/** Workloads that are older than a guard. */
async function workloads(rest: RestClient): Promise<Check[]> {
  try {
    const refused = await refusedWorkloads(rest);
    if (refused.length === 0) return [ok("workloads", "No guard refuses what runs in guest namespaces.")];
    return refused.map(({ kind, namespace, name, says }) =>
      warn(
        "workloads",
        `${kind} ${namespace}/${name} runs on, and new pods of it are refused: ${says}`,
        "Change it, or let the guard warn only for a while by the setting guards.warn (docs/guards.md).",
      )
    );
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return [warn("workloads", "Workloads of guests can't be judged by this user.", "Run it as a cluster admin.")];
  }
}

async function role(rest: RestClient): Promise<Check> {
  try {
    const { rules } = await new RbacAuthorizationV1Api(rest).clusterRoles.get(guestRole);
    const wild = rules?.some(({ verbs, resources }) => [...verbs, ...resources ?? []].includes("*"));
    return wild
      ? fail(
        "roles",
        `ClusterRole ${guestRole} has a wildcard.`,
        "kubectl apply -f deploy/kustomize/base/guest-role.yaml",
      )
      : ok("roles", `ClusterRole ${guestRole} is there.`);
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return fail(
      "roles",
      `ClusterRole ${guestRole} is missing: guests can do nothing.`,
      "kubectl apply -k deploy/kustomize/base",
    );
  }
}

async function webhook(rest: RestClient, now: number): Promise<Check> {
  try {
    const { webhooks } = await new AdmissionregistrationV1Api(rest).validatingWebhookConfigurations.get(
      webhookConfigurationName,
    );
    const bundle = webhooks?.[0]?.clientConfig.caBundle;
    const pem = bundle === undefined ? "" : new TextDecoder().decode(Uint8Array.fromBase64(bundle));
    const last = Date.parse(new X509Certificate(pem).validTo);
    if (last < now) {
      return warn(
        "webhook",
        `The authority that the webhook is known by ended on ${new Date(last).toISOString()}.`,
        "Start the operator with KEYSTONE_WEBHOOK: it makes another.",
      );
    }
    return ok("webhook", "The API server knows the admission webhook and its authority.");
  } catch (error) {
    if (!isApiError(error, 404)) {
      if (isForbidden(error) || isApiError(error)) throw error;
      return warn(
        "webhook",
        "Its authority can't be read.",
        "Start the operator with KEYSTONE_WEBHOOK: it makes another.",
      );
    }
    return warn(
      "webhook",
      "There is no admission webhook: the quota refuses without saying which grant and what would fit.",
      "See docs/admission.md.",
    );
  }
}

async function ranges(rest: RestClient, session: Session): Promise<Check> {
  const { rangesUnknown, lanUnknown } = await new Observed(rest).cluster(await session.settings());
  if (rangesUnknown !== undefined) {
    return warn("ranges", rangesUnknown, "Until then CIDR and DNS destinations stay closed.");
  }
  if (lanUnknown !== undefined) {
    return warn(
      "ranges",
      lanUnknown,
      "Name their addresses as clusterRanges.nodes in the operator's configuration, such as [192.168.1.10/32].",
    );
  }
  return ok("ranges", "The cluster's own ranges are known.");
}

async function storage(rest: RestClient, session: Session): Promise<Check> {
  const { storage: rules } = await session.settings();
  const { quotaBackendBytes: quota } = rules;
  const name = "storage";
  if (quota === null) {
    return warn(
      name,
      "How full the API server's database may be is not set: nothing closes before it is full.",
      "If it is an etcd, write its --quota-backend-bytes as storage.quotaBackendBytes (docs/configuration.md).",
    );
  }
  try {
    const selector = { fieldSelector: `metadata.name=${guestFlowName}` };
    const [flow] = (await new FlowcontrolApiserverV1Api(rest).flowSchemas.list(selector)).items;
    const writes = parseGuestWrites(flow?.metadata?.annotations?.[guestWritesAnnotation]);
    if (writes !== "Open") {
      return fail(
        name,
        writesClosedCondition(writes, rules).message,
        "See KeystoneGuestWritesClosed in docs/alerts.md.",
      );
    }
    const bytes = await readStorageSize(rest, AbortSignal.timeout(15_000));
    const size = `The API server's database holds ${gibibytes(bytes)} of ${gibibytes(quota)}`;
    if (!await operatorReadsMetrics(rest)) {
      return warn(
        name,
        `${size}, and the operator may not read that: nothing closes before it is full.`,
        "kubectl apply -f deploy/kustomize/base/rbac.yaml",
      );
    }
    return bytes < quota / 2 ? ok(name, `${size}.`) : warn(
      name,
      `${size} (storage.quotaBackendBytes).`,
      "See KeystoneStorageHalfFull in docs/alerts.md.",
    );
  } catch (error) {
    if (isForbidden(error)) {
      return warn(
        name,
        "How full the API server's database is can't be read by this user.",
        "Run it as a cluster admin.",
      );
    }
    if (!(error instanceof NoStorageSize)) throw error;
    return warn(
      name,
      `${error.message} Nothing closes before the database is full.`,
      "Watch its size where your provider shows it.",
    );
  }
}

async function operatorReadsMetrics(rest: RestClient): Promise<boolean> {
  const role = await new RbacAuthorizationV1Api(rest).clusterRoles.get(operatorName).catch((error) => {
    // An operator outside of a pod has the rights of its kubeconfig.
    if (isApiError(error, 404)) return undefined;
    throw error;
  });
  return role === undefined || (role.rules ?? []).some(({ nonResourceURLs }) => nonResourceURLs?.includes("/metrics"));
}

/** Network plugins by their DaemonSets, and whether they enforce NetworkPolicies. */
const plugins: [pattern: RegExp, name: string, enforces: boolean][] = [
  [/^calico|^canal/, "Calico", true],
  [/^cilium/, "Cilium", true],
  [/^antrea/, "Antrea", true],
  [/^kube-router/, "kube-router", true],
  [/^weave/, "Weave Net", true],
  [/^ovn|^kube-ovn/, "OVN", true],
  [/^kindnet/, "kindnet", true],
  [/^aws-node/, "Amazon VPC CNI", true],
  [/^kube-flannel|^flannel/, "Flannel", false],
];

interface DaemonSet extends KubernetesObject {
  spec?: unknown;
}

const daemonSets: Resource<DaemonSet> = {
  group: "apps",
  version: "v1",
  kind: "DaemonSet",
  plural: "daemonsets",
  namespaced: true,
};

async function network(rest: RestClient): Promise<Check> {
  const { items } = await new ResourceApi(rest, daemonSets).list({ limit: 500 });
  const found = plugins.find(([pattern]) => items.some(({ metadata }) => pattern.test(metadata.name!)));
  const remedy = "Use a network plugin that enforces NetworkPolicies, such as Calico or Cilium; k3s has one built in.";
  if (!found) return warn("network", "Whether NetworkPolicies are enforced here can't be seen.", remedy);
  const [, name, enforces] = found;
  return enforces
    ? ok("network", `${name} enforces NetworkPolicies.`)
    : fail("network", `${name} alone enforces no NetworkPolicies: guests reach everything.`, remedy);
}

async function tailnet(socket: string | undefined): Promise<Check> {
  if (socket === undefined) {
    return warn(
      "tailscaled",
      "TS_SOCKET is not set here, so the tailnet was not looked at.",
      "Set it, or --ts-socket.",
    );
  }
  using client = new LocalClient({ socket, timeoutMs: 5000 });
  try {
    const { BackendState, Self } = await client.status({ peers: false });
    return BackendState === "Running"
      ? ok("tailscaled", `Running as ${Self?.DNSName?.replace(/\.$/, "") ?? "a node without a name"}.`)
      : fail("tailscaled", `Its state is ${BackendState}.`, `tailscale --socket=${socket} up`);
  } catch (error) {
    return fail("tailscaled", error instanceof Error ? error.message : String(error), "Start tailscaled.");
  }
}

async function terms(rest: RestClient): Promise<Check> {
  let grants;
  try {
    grants = (await new Observed(rest).terms()).stores.grants.list();
  } catch (error) {
    if (isApiError(error, 404)) return warn("grants", "There can be none yet.", "kubectl apply -f crds/");
    throw error;
  }
  const waiting = grants.filter(({ status }) => (status.phase ?? "Pending") === "Pending");
  const failing = grants.filter(({ status }) =>
    status.phase === "Active" && status.conditions?.some(({ type, status }) => type === "Ready" && status === "False")
  );
  const odd = [...waiting, ...failing].map(({ name }) => name);
  return odd.length === 0 ? ok("grants", `${grants.length} grants, none waits.`) : warn(
    "grants",
    `${odd.length} of ${grants.length} wait or are not whole: ${odd.slice(0, 5).join(", ")}${
      odd.length > 5 ? ", …" : ""
    }.`,
    `keystone explain grant ${odd[0]}`,
  );
}

async function rollBack(rest: RestClient, session: Session): Promise<Check[]> {
  const losses = await lossesByRollBack(rest, await session.settings());
  if (losses.length === 0) return [ok("roll-back", "Nothing that stands would open, end or go by it.")];
  return losses.map(({ message, remedy }) => warn("roll-back", message, remedy));
}

function clocks(skewMs: number | undefined): Check {
  return (skewMs ?? 0) === 0 ? ok("clocks", "This clock and the API server's agree within 2 s.") : fail(
    "clocks",
    `The API server's clock is ${Math.abs(Math.round(skewMs! / 1000))} s ${
      skewMs! > 0 ? "ahead of" : "behind"
    } this one.`,
    "Set both by NTP: while they differ nothing is ended for good.",
  );
}
