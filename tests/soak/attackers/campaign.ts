/**
 * A hostile guest who does all of it at once, beside guests who don't, on a cluster as users install it: the operator and
 * the front are processes of their own with the rights and permissions that they ship with, and all guards are on.
 */
import { ApiError, type ClosableRestClient, ResourceApi } from "../../../lib/kubernetes/mod.ts";
import { leases } from "../../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { guestNamespace, operatorName, systemNamespace } from "../../../src/core/names.ts";
import { clientOf, eventually, prepared, root, type TestCluster } from "../../fixtures/operator.ts";
import { type OperatorProcess, startFrontProcess, startOperatorProcess } from "../../fixtures/operator_process.ts";
import { classes, ordinaryOf, pathOf } from "../../hostile/guard_cases.ts";
import { operatorUser } from "../../hostile/scene.ts";
import { startStranger } from "../../hostile/stranger.ts";
import { type Lab, startLab } from "../../lab/lab.ts";
import { freePorts } from "../../lab/ports.ts";
import { guestPod } from "../../lab/workloads.ts";
import { Random, randomOf } from "../../simulation/random.ts";
import { differences } from "../../specs/mirror.ts";
import type { Tally } from "./hands.ts";
import type { Seen } from "./judgement.ts";
import { Lane, noTimes, Sight } from "./lane.ts";

/** How a run goes. */
export interface Terms {
  /** How long it is attacked. */
  attackMs: number;
  /** How long others are looked at before. */
  beforeMs: number;
  seed: number;
  /** What attackers may write in all, in MB: all of it may be kept by the database to the end. */
  megabytes: number;
  /** Names of attacks, separated by commas; all without any. */
  only?: string;
  /** Told now and then how it goes. */
  say: (line: string) => void;
}

/** What a run came to. */
export interface Outcome {
  seen: Seen;
  /** How the attackers were answered, by attack. */
  tally: Tally;
  /** What the operator and the front said last. */
  log: string[];
}

const local = "alice-home";
const others = 3;
/** The size that etcd gives a database unless it is told otherwise. */
const databaseBytes = 2 * 2 ** 30;

/** More than anybody would lend: the attacker has all kinds of objects, and many. */
const much = {
  cpu: "8",
  memory: "8Gi",
  "ephemeral-storage": "1Ti",
  pods: "60",
  "requests.storage": "10Gi",
  "services.loadbalancers": "4",
  "services.nodeports": "16",
};
/** To which it is cut now and then, so that there is something to end. */
const little = { ...much, cpu: "20m", pods: "5", "services.loadbalancers": "0", "services.nodeports": "0" };

/** Runs it. Throws when it can't be set up; what was seen is not judged here. */
export async function attacked(terms: Terms): Promise<Outcome> {
  const { say } = terms;
  await using lab = await startLab({ etcdQuotaBytes: databaseBytes });
  using cluster = await prepared(lab);
  await using world = await installed(lab);
  const { operator, front, port } = world;
  const bob = await guestOf(lab, cluster, "bob", { cpu: "4", memory: "4Gi", pods: "10" });
  using rest = bob.rest;
  await settleIn(lab, bob.namespace);
  const mallory = await guestOf(lab, cluster, "mallory", much);
  mallory.rest.close();
  const stop = new AbortController();
  const sight = new Sight(cluster);
  const watching = sight.run(stop.signal);
  await watching.synced;
  const lanes = Array.from(
    { length: others },
    (_, index) => new Lane(cluster, sight, `carol-${index}`, local, randomOf(terms.seed, 1000 + index)),
  );
  for (const { realm } of lanes) await cluster.createRealm(realm);

  const over = new AbortController();
  const lending = lanes.map((lane) => lane.run(over.signal));
  const before = await timesOf(lanes, terms.beforeMs);
  say(`before: ${before.begun.length} grants began, ${before.ended.length} ended`);
  const kept = await belongings(lab, bob.namespace);
  const lease = await leaseOf(cluster);

  const perSecond = terms.megabytes * 1e6 / (terms.attackMs / 1000);
  const crew = [mallory.kubeconfig, mallory.accomplice].map((kubeconfig, index) =>
    startStranger(new URL("guest.ts", import.meta.url), [
      kubeconfig,
      mallory.namespace,
      bob.namespace,
      String(terms.seed + index),
      String(Math.round(perSecond / 2)),
      terms.only ?? "",
    ])
  );
  const strangers = startStranger(new URL("../../hostile/front_attack.ts", import.meta.url), [String(port)]);
  const requests = { ms: [] as number[], failed: [] as string[] };
  const work = [
    working(rest, bob.namespace, requests, over.signal),
    finishing(cluster, mallory.namespace, over.signal),
    squeezing(cluster, mallory.realm, new Random(terms.seed), over.signal),
  ];
  const peaks = { operatorMiB: 0, frontMiB: 0, databaseMiB: 0 };
  const look = async () => {
    peaks.databaseMiB = Math.max(peaks.databaseMiB, await databaseOf(lab));
    peaks.operatorMiB = Math.max(peaks.operatorMiB, memoryOf(operator, "VmHWM"));
    peaks.frontMiB = Math.max(peaks.frontMiB, memoryOf(front, "VmHWM"));
  };
  const during = await timesOf(lanes, terms.attackMs, async (ms, times) => {
    await look();
    say(
      `${Math.round(ms / 1000)} s: ${times.begun.length} grants began (${Math.max(0, ...times.begun)} ms at most), ` +
        `${times.ended.length} ended (${Math.max(0, ...times.ended)} ms), ${times.missed.length} came to nothing; ` +
        `operator ${memoryOf(operator, "VmRSS").toFixed(0)} MiB, front ${memoryOf(front, "VmRSS").toFixed(0)} MiB, ` +
        `database ${peaks.databaseMiB.toFixed(0)} MiB`,
    );
  });
  // What is under way ends under attack too.
  over.abort();
  await Promise.all([...lending, ...work]);
  const ownEndMs = await ownEnd(cluster, sight, mallory.realm);
  const told = await Promise.all(crew.map(async (each) => JSON.parse(await each.end()) as Tally));
  const connections = Number(await strangers.end());
  await look();
  const now = await belongings(lab, bob.namespace);
  const leaseNow = await leaseOf(cluster);
  stop.abort();
  await watching.ended;
  const [operatorCode, frontCode] = await Promise.all([operator.stop(), front.stop()]);
  const tally = summed(told);
  return {
    seen: {
      before,
      during,
      ownEndMs,
      requestsMs: requests.ms,
      requestsFailed: requests.failed,
      ...peaks,
      transitions: leaseNow.holder === lease.holder ? leaseNow.transitions - lease.transitions : 1,
      operatorCode,
      frontCode,
      differences: now === kept ? [] : differences(JSON.parse(kept), JSON.parse(now)),
      breaches: tally.breaches,
      attempts: Object.values(tally.answers).flatMap((each) => Object.values(each)).reduce((a, b) => a + b, 0),
      connections,
    },
    tally,
    log: [...operator.log.slice(-30), ...front.log.slice(-10)],
  };
}

interface Installed extends AsyncDisposable {
  operator: OperatorProcess;
  front: OperatorProcess;
  /** Where the front answers. */
  port: number;
}

/** Installs everything and starts both processes. */
async function installed(lab: Lab): Promise<Installed> {
  await using starting = new AsyncDisposableStack();
  for (const overlay of ["base", "webhook"]) await must(lab, ["apply", "-k", `${root}deploy/kustomize/${overlay}`]);
  const stdin = classes.map((each) => JSON.stringify(each)).join("\n---\n");
  await must(lab, ["apply", "-f", "-"], stdin);
  const KEYSTONE_HANDOVER = await Deno.makeTempDir();
  starting.defer(() => Deno.remove(KEYSTONE_HANDOVER, { recursive: true }));
  const [port] = freePorts(1) as [number];
  const settings = { KEYSTONE_HANDOVER, KEYSTONE_WEBHOOK: `https://127.0.0.1:${port}`, KEYSTONE_REALM: local };
  const KUBECONFIG = await lab.user(operatorUser);
  const operator = starting.use(
    await startOperatorProcess({ KUBECONFIG, KEYSTONE_LISTEN: "127.0.0.1:0", ...settings }),
  );
  const front = starting.use(await startFrontProcess(settings));
  await operator.says(/Enforcing grants/, 60_000);
  await front.says(/The admission webhook listens/, 60_000);
  const all = starting.move();
  return { operator, front, port, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

interface GuestOf {
  realm: string;
  namespace: string;
  kubeconfig: string;
  /** Another person of the same realm: requests queue by who sends them. */
  accomplice: string;
  rest: ClosableRestClient;
}

/** A realm of the highest trust with a grant that stays. */
async function guestOf(lab: Lab, cluster: TestCluster, realm: string, hard: Record<string, string>): Promise<GuestOf> {
  await cluster.createRealm(realm, { trustLevel: "internal" });
  await cluster.create({ name: realm, to: realm, hard, termination: { noticeSeconds: 0, drainSeconds: 2 } });
  await cluster.grantIn("Active", realm, 30_000);
  const groups = [`keystone:realm:${realm}`];
  const [kubeconfig, accomplice] = [await lab.user(realm, { groups }), await lab.user(`${realm}-2`, { groups })];
  return { realm, namespace: guestNamespace(realm), kubeconfig, accomplice, rest: await clientOf(kubeconfig) };
}

/** One of each kind that guests have, which comes to rest. */
async function settleIn(lab: Lab, namespace: string): Promise<void> {
  const kinds = ["ConfigMap", "Secret", "Service", "Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget"];
  const objects = [
    ...kinds.map((kind) => ordinaryOf(kind)),
    JSON.parse(guestPod("bobs", { cpu: "10m", memory: "8Mi" }, namespace)),
  ];
  const stdin = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  await must(lab, ["apply", "-n", namespace, "-f", "-"], stdin);
  let last = "";
  await eventually("what bob has is at rest", async () => {
    const now = await belongings(lab, namespace);
    const isSame = now === last;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    return isSame || "it changes";
  }, 60_000);
}

/** All that there is in the namespace and about it, as text: the same text is the same to the last byte. */
async function belongings(lab: Lab, namespace: string): Promise<string> {
  const { stdout } = await must(lab, ["api-resources", "--namespaced=true", "--verbs=list", "--output=name"]);
  const kinds = stdout.trim().split("\n").filter((kind) => !kind.startsWith("events"));
  const inside = await must(lab, ["get", kinds.join(","), "-n", namespace, "-o", "json"]);
  const about = await must(lab, [
    "get",
    `grant/${namespace.slice("guest-".length)}`,
    `realm/${namespace.slice("guest-".length)}`,
    `namespace/${namespace}`,
    "-o",
    "json",
  ]);
  const byName = Object.fromEntries(
    [inside, about].flatMap(({ stdout }) => JSON.parse(stdout).items)
      // deno-lint-ignore no-explicit-any -- of all kinds
      .map((object: any) => [`${object.kind} ${object.metadata.name}`, object]),
  );
  return JSON.stringify(byName);
}

async function must(lab: Lab, args: string[], stdin?: string) {
  const result = await lab.kubectl(args, { timeoutMs: 60_000, ...(stdin === undefined ? {} : { stdin }) });
  if (result.code !== 0) throw new Error(`kubectl ${args[0]}: ${result.stderr}`);
  return result;
}

const lookEveryMs = 10_000;

/** Lends for a while; what came of it, with a look every ten seconds. */
async function timesOf(
  lanes: readonly Lane[],
  ms: number,
  look: (ms: number, times: Seen["during"]) => Promise<void> = () => Promise.resolve(),
): Promise<Seen["during"]> {
  const times = noTimes();
  for (const lane of lanes) lane.times = times;
  const beganAt = performance.now();
  for (let passed = 0; passed < ms; passed = performance.now() - beganAt) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(lookEveryMs, ms - passed)));
    await look(performance.now() - beganAt, times);
  }
  return times;
}

/** Works as an ordinary guest does, one request after the other. */
async function working(
  rest: ClosableRestClient,
  namespace: string,
  { ms, failed }: { ms: number[]; failed: string[] },
  signal: AbortSignal,
): Promise<void> {
  const dryRun = new URLSearchParams({ dryRun: "All" });
  const pod = JSON.parse(guestPod("tried", { cpu: "10m", memory: "8Mi" }, namespace));
  const tries = [
    () => rest.performRequest({ method: "GET", path: pathOf("Pod", namespace) }),
    () => rest.performRequest({ method: "GET", path: `${pathOf("ConfigMap", namespace)}/keystone` }),
    () => rest.performRequest({ method: "POST", path: pathOf("Pod", namespace), querystring: dryRun, bodyJson: pod }),
    () =>
      rest.performRequest({
        method: "PATCH",
        path: `${pathOf("Deployment", namespace)}/x-deployment`,
        querystring: dryRun,
        contentType: "application/merge-patch+json",
        bodyJson: { metadata: { labels: { tried: "x" } } },
      }),
  ];
  for (let round = 0; !signal.aborted; round++) {
    const beganAt = performance.now();
    try {
      await tries[round % tries.length]!();
      ms.push(Math.round(performance.now() - beganAt));
    } catch (error) {
      const code = error instanceof ApiError ? `${error.code} ` : "";
      failed.push(`${code}${(error as Error).message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Of the attacker's pods half come to an end by themselves, as their kubelet would say. */
async function finishing({ rest }: TestCluster, namespace: string, signal: AbortSignal): Promise<void> {
  const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
  const done = new Set<string>();
  while (!signal.aborted) {
    const { items } = await rest.performRequest({
      method: "GET",
      path: pathOf("Pod", namespace),
      accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    }) as unknown as { items: { metadata: { name: string; uid: string } }[] | null };
    for (const { metadata: { name, uid } } of items ?? []) {
      if (signal.aborted || done.has(uid) || !/^fat-\d*[02468]$/.test(name)) continue;
      done.add(uid);
      await rest.performRequest({
        method: "PATCH",
        path: `${pathOf("Pod", namespace)}/${name}/status`,
        contentType: "application/merge-patch+json",
        accept,
        bodyJson: { metadata: { uid }, status: { phase: "Succeeded" } },
      }).catch(ignoreGone);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Alice cuts what the attacker has and gives it back, so that pods have to go and Services to close. */
async function squeezing({ grants }: TestCluster, name: string, random: Random, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    const hard = round % 2 === 0 ? little : much;
    await grants.patch(name, { spec: { hard } }, { type: "merge" }).catch(ignoreGone);
    const ms = 3000 + random.below(5000);
    await Promise.race([
      new Promise((resolve) => setTimeout(resolve, ms)),
      new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true })),
    ]);
  }
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof ApiError && [404, 409, 422].includes(error.code))) throw error;
}

/** Revokes the attacker's own grant, while he attacks. */
async function ownEnd({ grants }: TestCluster, sight: Sight, realm: string): Promise<number | undefined> {
  const revokedAt = Date.now();
  await grants.patch(realm, { spec: { revocation: { reason: "he attacks" } } }, { type: "merge" });
  return await sight.closed(realm).then((at) => at - revokedAt, () => undefined);
}

async function leaseOf({ rest }: TestCluster): Promise<{ holder: string | undefined; transitions: number }> {
  const { spec } = await new ResourceApi(rest, leases, systemNamespace).get(operatorName);
  return { holder: spec?.holderIdentity, transitions: spec?.leaseTransitions ?? 0 };
}

/** In MiB; 0 of a process that has ended. */
function memoryOf({ pid }: OperatorProcess, field: "VmHWM" | "VmRSS"): number {
  try {
    const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(Deno.readTextFileSync(`/proc/${pid}/status`));
    return Number(line?.[1] ?? 0) / 1024;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** What the database takes, in MiB. */
async function databaseOf(lab: Lab): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${lab.ports.etcd}/metrics`)).text();
  return Number(/^etcd_mvcc_db_total_size_in_bytes (\S+)$/m.exec(text)![1]) / 2 ** 20;
}

function summed(tallies: readonly Tally[]): Tally {
  const sum: Tally = { answers: {}, breaches: tallies.flatMap(({ breaches }) => breaches) };
  for (const { answers } of tallies) {
    for (const [name, each] of Object.entries(answers)) {
      const total = sum.answers[name] ??= { through: 0, refused: 0, throttled: 0, unanswered: 0 };
      for (const key of ["through", "refused", "throttled", "unanswered"] as const) total[key] += each[key];
    }
  }
  return sum;
}
