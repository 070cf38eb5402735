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
  verb("doctor", "Check everything that Keystone needs, and show how to fix what is missing.", [
    "keystone doctor",
    "keystone doctor --ts-socket /var/run/tailscale/tailscaled.sock",
    "keystone doctor --roll-back",
    "keystone doctor -o json | jq '.checks[] | select(.status != \"ok\")'",
  ])
    .option("--ts-socket <path>", "socket of the operator's tailscaled (default: TS_SOCKET)")
    .option("--roll-back", "also what would open, end or be deleted if the previous version were installed again")
    .action(run(async (session, options) => {
      const time = new ServerTime(systemClock);
      const config = await session.clusterConfig();
      using rest = createRestClient(config, {
        userAgent: `keystone-cli/${version}`,
        timeoutMs: 15_000,
        onRequest: (record) => time.observe(record),
      });
      // If this request fails, so does every other.
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

/** Returns a warning for a check that the user has no right to make. */
function unreadable(error: unknown): Check {
  if (!isForbidden(error)) throw error;
  return warn("rbac", (error as Error).message, "Run keystone doctor as a cluster admin to include this check.");
}

// deno-lint-ignore require-await
async function cluster(gitVersion: string, server: string): Promise<Check> {
  const [, minor] = /^v1\.(\d+)/.exec(gitVersion) ?? [];
  return Number(minor) >= 30
    ? ok("cluster", `Kubernetes ${gitVersion} at ${server}.`)
    : fail("cluster", `Kubernetes ${gitVersion} at ${server} is too old.`, "Upgrade to Kubernetes 1.30 or later.");
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
        return fail("crds", `${name} has revision ${revision}; this version needs ${schemaRevision}.`, remedy);
      }
      return ok("crds", `${name} has revision ${revision}.`);
    } catch (error) {
      if (!isApiError(error, 404)) throw error;
      return fail("crds", `${name} is missing.`, remedy);
    }
  }));
}

async function operator(rest: RestClient, now: number): Promise<Check> {
  const remedy = "Start it (deno task run), or read its log: kubectl logs -n keystone-system deploy/keystone-operator";
  try {
    const { spec } = await new CoordinationV1Api(rest).namespace(systemNamespace).leases.get(operatorName);
    const renewed = Date.parse(spec?.renewTime ?? "");
    const age = Math.round((now - renewed) / 1000);
    if (!spec?.holderIdentity) {
      return fail("operator", "No operator holds the Lease: grants do not end on time.", remedy);
    }
    return age > 2 * (spec.leaseDurationSeconds ?? 15)
      ? fail(
        "operator",
        `${spec.holderIdentity} last renewed the Lease ${age} s ago: grants do not end on time.`,
        remedy,
      )
      : ok("operator", `${spec.holderIdentity} holds the Lease.`);
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return fail("operator", "The Lease does not exist: no operator has ever run here.", remedy);
  }
}

/** Names of the bindings of the policies that refuse requests. */
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
      `${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing: guests may do more than they should.`,
      "kubectl apply -k deploy/kustomize/base",
    );
  }
  const heldBack = await withoutGuards(rest);
  return heldBack.length === 0 ? ok("guards", "All guards are in force, also while no operator runs.") : warn(
    "guards",
    `In ${heldBack.slice(0, 5).join(", ")}${
      heldBack.length > 5 ? ", …" : ""
    } only the guards of the previous version are in force: no ` +
      "operator of this version manages the namespace.",
    "Finish the upgrade: kubectl -n keystone-system get pods",
  );
}

/** Returns the guest namespaces that no operator with these guards has managed yet. */
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
    if (refused.length === 0) {
      return [ok("workloads", "No guard would refuse a workload that runs in a guest namespace.")];
    }
    return refused.map(({ kind, namespace, name, says }) =>
      warn(
        "workloads",
        `${kind} ${namespace}/${name} keeps running, but its new pods are refused: ${says}`,
        "Change it, or make the guard only warn for a while with the setting guards.warn (docs/guards.md).",
      )
    );
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return [
      warn("workloads", "You have no right to check the guests' workloads.", "Run keystone doctor as a cluster admin."),
    ];
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
      : ok("roles", `ClusterRole ${guestRole} exists.`);
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return fail(
      "roles",
      `ClusterRole ${guestRole} does not exist: guests can do nothing.`,
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
        `The webhook's certificate authority expired on ${new Date(last).toISOString()}.`,
        "Start the operator with KEYSTONE_WEBHOOK: it creates a new one.",
      );
    }
    return ok("webhook", "The admission webhook and its certificate authority are registered.");
  } catch (error) {
    if (!isApiError(error, 404)) {
      if (isForbidden(error) || isApiError(error)) throw error;
      return warn(
        "webhook",
        "The webhook's certificate authority can't be read.",
        "Start the operator with KEYSTONE_WEBHOOK: it creates a new one.",
      );
    }
    return warn(
      "webhook",
      "There is no admission webhook: a refusal by the quota does not name the grant or what would fit.",
      "See docs/admission.md.",
    );
  }
}

async function ranges(rest: RestClient, session: Session): Promise<Check> {
  const { rangesUnknown, lanUnknown } = await new Observed(rest).cluster(await session.settings());
  if (rangesUnknown !== undefined) {
    return warn("ranges", rangesUnknown, "Fix this first: until then CIDR and DNS destinations stay closed.");
  }
  if (lanUnknown !== undefined) {
    return warn(
      "ranges",
      lanUnknown,
      "Set clusterRanges.nodes in the operator's configuration to their addresses, such as [192.168.1.10/32].",
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
      "storage.quotaBackendBytes is not set: guests' writes are not closed before the API server's database is full.",
      "If the database is etcd, set it to etcd's --quota-backend-bytes (docs/configuration.md).",
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
        `${size}, but the operator may not read that: guests' writes are not closed before it is full.`,
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
        "You have no right to read the size of the API server's database.",
        "Run keystone doctor as a cluster admin.",
      );
    }
    if (!(error instanceof NoStorageSize)) throw error;
    return warn(
      name,
      `${error.message} Guests' writes are not closed before the database is full.`,
      "Monitor its size with your provider's tools.",
    );
  }
}

async function operatorReadsMetrics(rest: RestClient): Promise<boolean> {
  const role = await new RbacAuthorizationV1Api(rest).clusterRoles.get(operatorName).catch((error) => {
    // An operator outside a pod has the rights of its kubeconfig.
    if (isApiError(error, 404)) return undefined;
    throw error;
  });
  return role === undefined || (role.rules ?? []).some(({ nonResourceURLs }) => nonResourceURLs?.includes("/metrics"));
}

/** Network plugins by the names of their DaemonSets; `enforces` is true if they enforce NetworkPolicies. */
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
  const remedy = "Use a network plugin that enforces NetworkPolicies, such as Calico or Cilium. k3s has one built in.";
  if (!found) {
    return warn("network", "The network plugin is not known, so NetworkPolicies may not be enforced.", remedy);
  }
  const [, name, enforces] = found;
  return enforces
    ? ok("network", `${name} enforces NetworkPolicies.`)
    : fail("network", `${name} alone does not enforce NetworkPolicies: guests reach everything.`, remedy);
}

async function tailnet(socket: string | undefined): Promise<Check> {
  if (socket === undefined) {
    return warn(
      "tailscaled",
      "TS_SOCKET is not set, so the tailnet was not checked.",
      "Set TS_SOCKET, or use --ts-socket.",
    );
  }
  using client = new LocalClient({ socket, timeoutMs: 5000 });
  try {
    const { BackendState, Self } = await client.status({ peers: false });
    return BackendState === "Running"
      ? ok("tailscaled", `Running as ${Self?.DNSName?.replace(/\.$/, "") ?? "a node without a name"}.`)
      : fail("tailscaled", `tailscaled has the state ${BackendState}.`, `tailscale --socket=${socket} up`);
  } catch (error) {
    return fail("tailscaled", error instanceof Error ? error.message : String(error), "Start tailscaled.");
  }
}

async function terms(rest: RestClient): Promise<Check> {
  let grants;
  try {
    grants = (await new Observed(rest).terms()).stores.grants.list();
  } catch (error) {
    if (isApiError(error, 404)) {
      return warn("grants", "Grants can't exist yet: the custom resources are missing.", "kubectl apply -f crds/");
    }
    throw error;
  }
  const waiting = grants.filter(({ status }) => (status.phase ?? "Pending") === "Pending");
  const failing = grants.filter(({ status }) =>
    status.phase === "Active" && status.conditions?.some(({ type, status }) => type === "Ready" && status === "False")
  );
  const odd = [...waiting, ...failing].map(({ name }) => name);
  return odd.length === 0 ? ok("grants", `${grants.length} grants, none of them Pending or failing.`) : warn(
    "grants",
    `${odd.length} of ${grants.length} grants are Pending or not Ready: ${odd.slice(0, 5).join(", ")}${
      odd.length > 5 ? ", …" : ""
    }.`,
    `keystone explain grant ${odd[0]}`,
  );
}

async function rollBack(rest: RestClient, session: Session): Promise<Check[]> {
  const losses = await lossesByRollBack(rest, await session.settings());
  if (losses.length === 0) return [ok("roll-back", "A roll-back would open, end or delete nothing.")];
  return losses.map(({ message, remedy }) => warn("roll-back", message, remedy));
}

function clocks(skewMs: number | undefined): Check {
  return (skewMs ?? 0) === 0 ? ok("clocks", "This machine's clock and the API server's agree within 2 s.") : fail(
    "clocks",
    `The API server's clock is ${Math.abs(Math.round(skewMs! / 1000))} s ${
      skewMs! > 0 ? "ahead of" : "behind"
    } this machine's.`,
    "Synchronize both by NTP: while they differ, no grant ends for good.",
  );
}
