/**
 * The cluster of a run: everything installed, two guests with a lasting grant, and functions that measure its state.
 */
import type { ClosableRestClient } from "../../../lib/kubernetes/mod.ts";
import { CoordinationV1Api } from "../../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { guestNamespace, operatorName, systemNamespace } from "../../../src/core/names.ts";
import { clientOf, eventually, root, type TestCluster } from "../../fixtures/test_operator.ts";
import { type OperatorProcess, startFrontProcess, startOperatorProcess } from "../../fixtures/operator_process.ts";
import { classes, ordinaryOf } from "../../hostile/guard_cases.ts";
import { hostileOperator } from "../../hostile/hostile_scene.ts";
import type { Lab } from "../../lab/lab.ts";
import { freePorts } from "../../lab/ports.ts";
import { guestPod } from "../../lab/lab_workloads.ts";

/** The local realm. */
export const local = "alice-home";

export interface Installed extends AsyncDisposable {
  operator: OperatorProcess;
  front: OperatorProcess;
  /** The front's port. */
  port: number;
}

/** Installs everything and starts both processes. */
export async function installKeystone(lab: Lab): Promise<Installed> {
  await using starting = new AsyncDisposableStack();
  for (const overlay of ["base", "webhook"]) await must(lab, ["apply", "-k", `${root}deploy/kustomize/${overlay}`]);
  const stdin = classes.map((each) => JSON.stringify(each)).join("\n---\n");
  await must(lab, ["apply", "-f", "-"], stdin);
  const KEYSTONE_HANDOVER = await Deno.makeTempDir();
  starting.defer(() => Deno.remove(KEYSTONE_HANDOVER, { recursive: true }));
  const [port] = freePorts(1) as [number];
  const settings = { KEYSTONE_HANDOVER, KEYSTONE_WEBHOOK: `https://127.0.0.1:${port}`, KEYSTONE_REALM: local };
  const KUBECONFIG = await lab.user(hostileOperator);
  const operator = starting.use(
    await startOperatorProcess({ KUBECONFIG, KEYSTONE_LISTEN: "127.0.0.1:0", ...settings }),
  );
  const front = starting.use(await startFrontProcess(settings));
  await operator.says(/Enforcing grants/, 60_000);
  await front.says(/The admission webhook listens/, 60_000);
  const all = starting.move();
  return { operator, front, port, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

export interface GuestOf {
  realm: string;
  namespace: string;
  kubeconfig: string;
  /** Another person of the same realm: requests are queued per user. */
  accomplice: string;
  rest: ClosableRestClient;
}

/** Creates a realm of the highest trust level, with a lasting grant. */
export async function guestOf(
  lab: Lab,
  cluster: TestCluster,
  realm: string,
  hard: Record<string, string>,
): Promise<GuestOf> {
  await cluster.createRealm(realm, { trustLevel: "internal" });
  await cluster.create({ name: realm, to: realm, hard, termination: { noticeSeconds: 0, drainSeconds: 2 } });
  await cluster.grantIn("Active", realm, 30_000);
  const groups = [`keystone:realm:${realm}`];
  const [kubeconfig, accomplice] = [await lab.user(realm, { groups }), await lab.user(`${realm}-2`, { groups })];
  return { realm, namespace: guestNamespace(realm), kubeconfig, accomplice, rest: await clientOf(kubeconfig) };
}

/** Creates one object of each kind that guests use, and waits until all are at rest. */
export async function settleIn(lab: Lab, namespace: string): Promise<void> {
  const kinds = ["ConfigMap", "Secret", "Service", "Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget"];
  const objects = [
    ...kinds.map((kind) => ordinaryOf(kind)),
    JSON.parse(guestPod("bobs", { cpu: "10m", memory: "8Mi" }, namespace)),
  ];
  const stdin = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  await must(lab, ["apply", "-n", namespace, "-f", "-"], stdin);
  // A recount that began before an object existed overwrites what admission has counted, until the next resync. A
  // deletion has all counted again: at rest that changes nothing.
  let last = "";
  await eventually("bob's objects are at rest and counted", async () => {
    await must(lab, ["create", "configmap", "counted-again", "-n", namespace]);
    await must(lab, ["delete", "configmap", "counted-again", "-n", namespace]);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const now = await belongings(lab, namespace);
    const isSame = now === last;
    last = now;
    if (!isSame) return "the namespace changes";
    const objects: Record<string, { status?: { used?: Record<string, string> } }> = JSON.parse(now);
    const used = objects["ResourceQuota keystone"]?.status?.used;
    const kinds = { ConfigMap: "configmaps", ControllerRevision: "count/controllerrevisions.apps" };
    for (const [kind, key] of Object.entries(kinds)) {
      const count = String(Object.keys(objects).filter((name) => name.startsWith(`${kind} `)).length);
      if (used?.[key] !== count) return `${count} objects of kind ${kind} are counted as ${used?.[key]}`;
    }
    return true;
  }, 60_000);
}

/**
 * Returns everything in the namespace and about it, as text, for a comparison to the last byte. The last write of a
 * quota is left out, because quota admission counts a guest's own requests up and down.
 */
export async function belongings(lab: Lab, namespace: string): Promise<string> {
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
      .map((object: any) => [
        `${object.kind} ${object.metadata.name}`,
        object.kind === "ResourceQuota"
          ? { ...object, metadata: { ...object.metadata, resourceVersion: "", managedFields: [] } }
          : object,
      ]),
  );
  return JSON.stringify(byName);
}

async function must(lab: Lab, args: string[], stdin?: string) {
  const result = await lab.kubectl(args, { timeoutMs: 60_000, ...(stdin === undefined ? {} : { stdin }) });
  if (result.code !== 0) throw new Error(`kubectl ${args[0]}: ${result.stderr}`);
  return result;
}

export async function leaseOf({ rest }: TestCluster): Promise<{ holder: string | undefined; transitions: number }> {
  const { spec } = await new CoordinationV1Api(rest).namespace(systemNamespace).leases.get(operatorName);
  return { holder: spec?.holderIdentity, transitions: spec?.leaseTransitions ?? 0 };
}

/** Returns the memory in MiB; 0 if the process has ended. */
export function memoryOf({ pid }: OperatorProcess, field: "VmHWM" | "VmRSS"): number {
  try {
    const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(Deno.readTextFileSync(`/proc/${pid}/status`));
    return Number(line?.[1] ?? 0) / 1024;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Returns the size of the database, in MiB. */
export async function databaseOf(lab: Lab): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${lab.ports.etcd}/metrics`)).text();
  return Number(/^etcd_mvcc_db_total_size_in_bytes (\S+)$/m.exec(text)![1]) / 2 ** 20;
}

/** Returns the processor time of a process, in seconds; 0 if it has ended. */
export function processorOf(pid: number | undefined): number {
  try {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
    // utime and stime, in hundredths (proc(5)).
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
