import { Command } from "commander";
import { type KubernetesObject, type Resource, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type Pod } from "../../lib/kubernetes_apis/core@v1.ts";
import { NetworkingV1Api } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import { requirementsOf } from "../core/admission/requirements.ts";
import { refusalText, warningsOf } from "../core/admission/sentences.ts";
import { fitOf } from "../core/admission/fit.ts";
import { shown } from "../core/resources/quota_lists.ts";
import { podUsage } from "../core/guest/pod_usage.ts";
import { selects } from "../core/reach/reach.ts";
import { no } from "./exit.ts";
import { guestNamespaceOf } from "./guest_namespace.ts";
import { grantSummaryOf, relative } from "./grant_summary.ts";
import { Observed } from "./observed.ts";
import { type CommandAction, inLine, type Session, verb } from "./session.ts";
import { budgetIn } from "./would_fit_command.ts";
import { conditionOf } from "../core/conditions.ts";
import { trustOf } from "../core/grant/lifecycle.ts";

/** One finding about the object. */
interface Link {
  what: string;
  status: "ok" | "warn" | "fail";
  message: string;
}

interface Explanation {
  kind: string;
  name: string;
  namespace?: string;
  /** True if no finding is a failure. */
  ok: boolean;
  /** Message of the first failure, or that there is none. */
  message: string;
  chain: Link[];
}

export const explainCommand = (run: CommandAction): Command =>
  new Command("explain").description("Explain the state of a grant, Deployment or pod, and what to do about it.")
    .addCommand(
      verb("grant", "Explain a grant: realm, quota, network, access, use, events.", [
        "keystone explain grant alice-to-bob",
        "keystone explain grant alice-to-bob -o json | jq -r .message",
      ]).argument("<name>", "name of the grant")
        .action(run(async (session, _, name) => tell(session, await explainGrant(session, String(name))))),
    )
    .addCommand(
      namespaced("deployment", "Explain missing pods of a Deployment: quota, limits, events.", [
        "keystone explain deployment web -n guest-bob-home",
        "keystone explain deployment web --realm bob-home",
      ]).argument("<name>", "name of the Deployment")
        .action(
          run(async (session, options, name) => tell(session, await explainDeployment(session, options, String(name)))),
        ),
    )
    .addCommand(
      namespaced("pod", "Explain a pod: why it doesn't run, what it uses of the grants, and its network policies.", [
        "keystone explain pod web-0 -n guest-bob-home",
      ]).argument("<name>", "name of the pod")
        .action(run(async (session, options, name) => tell(session, await explainPod(session, options, String(name))))),
    );

const namespaced = (name: string, summary: string, examples: readonly string[]): Command =>
  verb(name, summary, examples)
    .option("-n, --namespace <name>", "guest namespace (default: the kubeconfig's)")
    .option("--realm <name>", "realm of the guest namespace");

function tell(session: Session, explanation: Explanation): void {
  if (!session.data(explanation)) {
    const { green, yellow, red, bold } = session.colours;
    const mark = { ok: green("✓"), warn: yellow("!"), fail: red("✗") };
    const { kind, name, namespace, chain } = explanation;
    session.say(bold(`${kind} ${namespace ? `${namespace}/` : ""}${name}`));
    for (const { status, what, message } of chain) session.say(`${mark[status]} ${inLine(what)}: ${inLine(message)}`);
  }
  if (!explanation.ok) throw no();
}

function explanation(kind: string, name: string, chain: Link[], namespace?: string): Explanation {
  const failed = chain.find(({ status }) => status === "fail");
  return {
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ok: failed === undefined,
    message: failed?.message ?? "No problems were found.",
    chain,
  };
}

async function explainGrant(session: Session, name: string): Promise<Explanation> {
  using rest = await session.connect();
  const { stores } = await new Observed(rest).terms();
  const grant = stores.grants.get(name);
  if (!grant) throw no(`Grant ${name} does not exist. List them: keystone grants`);
  const { status, spec } = grant;
  const summary = grantSummaryOf(grant);
  const now = session.io.now();
  const phase = status.phase ?? "Pending";
  const chain: Link[] = [{
    what: phase,
    status: phase === "Active" ? "ok" : "fail",
    message: `${summary.message} ${summary.ends ? `It ends at ${summary.ends}, ${relative(summary.ends, now)}.` : ""}`
      .trim(),
  }];
  const realm = stores.realms.get(spec.granteeRealm);
  chain.push(
    realm
      ? {
        what: `Realm ${realm.name}`,
        status: realm.status.connectionState === "Connected" ? "ok" : "warn",
        message: `${realm.status.connectionState ?? "Unknown"}, trusted as ${trustOf(realm)}. ${
          conditionOf(realm.status, "Ready")?.message ?? ""
        }`.trim(),
      }
      : { what: `Realm ${spec.granteeRealm}`, status: "fail", message: "The Realm does not exist. Create it." },
  );
  // For these conditions True is the problem.
  const negative = new Set(["Draining", "NetworkNarrowed", "Overcommitted", "WritesClosed"]);
  for (const { type, status: is, reason, message } of status.conditions ?? []) {
    // Leaves out what the first line says already.
    if (type === "Ready" || message === status.message) continue;
    const good = negative.has(type) ? is !== "True" : is === "True";
    const weight = negative.has(type) || phase !== "Active" ? "warn" : "fail";
    chain.push({ what: `${type} (${reason})`, status: good ? "ok" : weight, message });
  }
  for (const [key, granted] of Object.entries(summary.granted)) {
    const full = parseQuantity(summary.free[key]!).sign() === 0 && parseQuantity(granted).sign() > 0;
    chain.push({
      what: key,
      status: full ? "warn" : "ok",
      message: `${summary.used[key]} of ${granted} used, ${summary.free[key]} free.`,
    });
  }
  for (const { destination, error, narrowed } of status.resolvedDestinations ?? []) {
    const said = error ?? narrowed;
    if (said) chain.push({ what: `destination ${destination}`, status: "warn", message: said });
  }
  chain.push(...await eventLinks(rest, "default", "Grant", [name], now));
  return explanation("Grant", name, chain);
}

interface Deployment extends KubernetesObject {
  spec: { replicas?: number; selector: Parameters<typeof selects>[0]; template: { spec: unknown } };
  status?: {
    readyReplicas?: number;
    replicas?: number;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
  };
}

interface Owned extends KubernetesObject {
  metadata?: KubernetesObject["metadata"] & { ownerReferences?: { kind: string; name: string; uid: string }[] };
}

const apps = <T extends KubernetesObject>(kind: string): Resource<T> => ({
  group: "apps",
  version: "v1",
  kind,
  plural: `${kind.toLowerCase()}s`,
  namespaced: true,
});

async function explainDeployment(
  session: Session,
  options: Record<string, unknown>,
  name: string,
): Promise<Explanation> {
  using rest = await session.connect();
  const namespace = guestNamespaceOf(options, rest);
  const deployment = await new ResourceApi(rest, apps<Deployment>("Deployment"), namespace).get(name);
  const [sets, allPods, { budget, defaults }] = await Promise.all([
    new ResourceApi(rest, apps<Owned>("ReplicaSet"), namespace).all(),
    new CoreV1Api(rest).namespace(namespace).pods.all(),
    budgetIn(rest, namespace),
  ]);
  const owned = sets.filter(({ metadata }) =>
    metadata?.ownerReferences?.some(({ uid }) => uid === deployment.metadata?.uid)
  ).map(({ metadata }) => metadata!.name!);
  const mine = allPods.filter(({ metadata }) => selects(deployment.spec.selector, metadata!.labels));
  const wanted = deployment.spec.replicas ?? 1;
  const ready = deployment.status?.readyReplicas ?? 0;
  const chain: Link[] = [{
    what: "pods",
    status: mine.length < wanted ? "fail" : "ok",
    message: `${mine.length} of ${wanted} exist, ${ready} ready.`,
  }];
  const demand = requirementsOf(deployment, defaults);
  const before = requirementsOf({ ...deployment, spec: { ...deployment.spec, replicas: mine.length } }, defaults);
  const fit = fitOf(demand, budget, mine.length < wanted ? before : demand);
  for (const message of warningsOf(fit, budget)) chain.push({ what: "room", status: "fail", message });
  const refusal = refusalText(fitOf(demand, budget), budget);
  if (refusal) chain.push({ what: "room", status: "fail", message: refusal });
  for (const { type, status, reason, message } of deployment.status?.conditions ?? []) {
    const good = type === "ReplicaFailure" ? status !== "True" : status === "True";
    if (!good) chain.push({ what: `${type} (${reason})`, status: "warn", message: message ?? "" });
  }
  for (const pod of mine) chain.push(...podLinks(pod, true));
  const now = session.io.now();
  chain.push(
    ...await eventLinks(rest, namespace, "Deployment", [name], now),
    ...await eventLinks(rest, namespace, "ReplicaSet", owned, now),
  );
  return explanation("Deployment", name, chain, namespace);
}

async function explainPod(session: Session, options: Record<string, unknown>, name: string): Promise<Explanation> {
  using rest = await session.connect();
  const namespace = guestNamespaceOf(options, rest);
  const pod = await new CoreV1Api(rest).namespace(namespace).pods.get(name);
  const policies = await new NetworkingV1Api(rest).namespace(namespace).networkPolicies.all();
  const chain = podLinks(pod, false);
  const usage = [...podUsage(pod.spec!)].filter(([key]) => key !== "pods");
  chain.push({
    what: "uses",
    status: "ok",
    message: `${
      Object.entries(shown(new Map(usage))).map(([key, value]) => `${value} ${key}`).join(", ")
    } of the grants to ${namespace}.`,
  });
  const selecting = policies.filter(({ spec }) => selects(spec?.podSelector, pod.metadata.labels));
  chain.push({
    what: "network",
    status: "ok",
    message: `${selecting.map(({ metadata }) => metadata!.name).join(", ") || "no policy"} apply to it. ` +
      `Check a destination: keystone can-reach ${name} DESTINATION -n ${namespace}`,
  });
  chain.push(...await eventLinks(rest, namespace, "Pod", [name], session.io.now()));
  return explanation("Pod", name, chain, namespace);
}

/** Returns the findings from a pod's own status. */
function podLinks({ metadata, status }: Pod, onlyBad: boolean): Link[] {
  const name = metadata!.name!;
  const phase = status?.phase ?? "Pending";
  const out: Link[] = [];
  const good = phase === "Running" || phase === "Succeeded";
  if (!good || !onlyBad) {
    out.push({
      what: `pod ${name}`,
      status: good ? "ok" : phase === "Failed" ? "fail" : "warn",
      message: `${phase}. ${status?.message ?? ""}`.trim(),
    });
  }
  for (const { type, status: is, reason, message } of status?.conditions ?? []) {
    if (type === "PodScheduled" && is === "False") {
      out.push({ what: `pod ${name}: ${reason}`, status: "fail", message: message ?? "No node fits the pod." });
    }
  }
  for (const container of [...status?.initContainerStatuses ?? [], ...status?.containerStatuses ?? []]) {
    const { waiting, terminated } = container.state ?? {};
    if (waiting?.reason && waiting.reason !== "PodInitializing" && waiting.reason !== "ContainerCreating") {
      out.push({
        what: `container ${container.name}: ${waiting.reason}`,
        status: "fail",
        message: waiting.message ?? "The container is waiting.",
      });
    }
    if (terminated && terminated.exitCode !== 0) {
      out.push({
        what: `container ${container.name}: ${terminated.reason ?? "ended"}`,
        status: "fail",
        message: terminated.message ?? `The container exited with code ${terminated.exitCode}.`,
      });
    }
  }
  return out;
}

interface CoreEvent extends KubernetesObject {
  type?: string;
  reason?: string;
  message?: string;
  lastTimestamp?: string;
  eventTime?: string;
  involvedObject?: { kind?: string; name?: string };
}

const events: Resource<CoreEvent> = { group: "", version: "v1", kind: "Event", plural: "events", namespaced: true };
const mostEvents = 3;

/** The latest warnings about some objects of a kind. */
async function eventLinks(
  rest: RestClient,
  namespace: string,
  kind: string,
  names: readonly string[],
  now: number,
): Promise<Link[]> {
  const about = new Set(names);
  let found: CoreEvent[];
  try {
    found = await new ResourceApi(rest, events, namespace).all({
      fieldSelector: `involvedObject.kind=${kind},type=Warning`,
    });
  } catch {
    // Without the right to read events, they are left out.
    return [];
  }
  const at = ({ lastTimestamp, eventTime, metadata }: CoreEvent) =>
    lastTimestamp ?? eventTime ?? metadata?.creationTimestamp ?? "";
  return found.filter(({ involvedObject }) => about.has(involvedObject?.name ?? ""))
    .sort((a, b) => at(a) < at(b) ? 1 : -1).slice(0, mostEvents)
    .map((event) => ({
      what: `event ${event.reason} ${relative(at(event), now)}`,
      status: "warn",
      message: event.message ?? "",
    }));
}
