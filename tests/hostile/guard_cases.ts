/** The attacks and ordinary objects of the table of guards, in every kind that can carry them. */
import type { Example, Guard, GuardAttack, GuardBody } from "../../deploy/guards/guard.ts";
import { guards } from "../../deploy/guards/guards_table.ts";
import { guestGuards } from "../../deploy/guards/guest_guards.ts";
import { workloadGuards } from "../../deploy/guards/workload_guards.ts";
import { policiesInForce } from "../fixtures/in_force.ts";
import type { Cluster } from "../lab/lab.ts";

export interface GuardCase {
  guard: Guard["name"];
  /** "a guest makes …". */
  title: string;
  kind: string;
  object: GuardBody;
  /** Annotations of the namespace. */
  settings: Record<string, string>;
}

export interface AttackCase extends GuardCase {
  says: RegExp;
}

/** Collection paths by kind; `NS` is the namespace. */
export const paths: Readonly<Record<string, string>> = {
  Pod: "/api/v1/namespaces/NS/pods",
  ReplicationController: "/api/v1/namespaces/NS/replicationcontrollers",
  Service: "/api/v1/namespaces/NS/services",
  ConfigMap: "/api/v1/namespaces/NS/configmaps",
  Secret: "/api/v1/namespaces/NS/secrets",
  ServiceAccount: "/api/v1/namespaces/NS/serviceaccounts",
  PersistentVolumeClaim: "/api/v1/namespaces/NS/persistentvolumeclaims",
  Deployment: "/apis/apps/v1/namespaces/NS/deployments",
  ReplicaSet: "/apis/apps/v1/namespaces/NS/replicasets",
  StatefulSet: "/apis/apps/v1/namespaces/NS/statefulsets",
  DaemonSet: "/apis/apps/v1/namespaces/NS/daemonsets",
  Job: "/apis/batch/v1/namespaces/NS/jobs",
  CronJob: "/apis/batch/v1/namespaces/NS/cronjobs",
  HorizontalPodAutoscaler: "/apis/autoscaling/v2/namespaces/NS/horizontalpodautoscalers",
  PodDisruptionBudget: "/apis/policy/v1/namespaces/NS/poddisruptionbudgets",
};

export const pathOf = (kind: string, namespace: string): string => paths[kind]!.replace("NS", namespace);

const isPlain = (value: unknown): value is GuardBody =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Merges `over` into `base`; lists are replaced. */
export function laid(base: GuardBody, over: GuardBody = {}): GuardBody {
  const out: GuardBody = { ...base };
  for (const [key, value] of Object.entries(over)) {
    out[key] = isPlain(value) && isPlain(out[key]) ? laid(out[key], value) : value;
  }
  return out;
}

/** Returns an ordinary pod, or a pod template. */
function podOf({ spec, metadata, container }: NonNullable<Example["pod"]>, restartPolicy: string): GuardBody {
  return {
    metadata: laid({ labels: { app: "x" } }, metadata),
    spec: laid({ containers: [laid({ name: "main", image: "example.com/x" }, container)], restartPolicy }, spec),
  };
}

const apiVersionOf = (kind: string): string => {
  const [, api, ...rest] = paths[kind]!.split("/namespaces/")[0]!.split("/");
  return api === "api" ? rest[0]! : rest.join("/");
};

/** Returns an ordinary object of a kind, with the given pod in it. */
export function ordinaryOf(kind: string, pod: NonNullable<Example["pod"]> = {}): GuardBody {
  const selector = { matchLabels: { app: "x" } };
  const runs = podOf(pod, "Always");
  const ends = podOf(pod, "Never");
  const specs: Record<string, GuardBody> = {
    ReplicationController: { replicas: 0, selector: { app: "x" }, template: runs },
    Deployment: { replicas: 0, selector, template: runs },
    ReplicaSet: { replicas: 0, selector, template: runs },
    StatefulSet: { replicas: 0, serviceName: "x", selector, template: runs },
    DaemonSet: { selector, template: runs },
    Job: { suspend: true, template: ends },
    CronJob: { suspend: true, schedule: "* * * * *", jobTemplate: { spec: { template: ends } } },
    Service: { ports: [{ port: 80 }] },
    PersistentVolumeClaim: {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "hostile-none",
      resources: { requests: { storage: "1Mi" } },
    },
    HorizontalPodAutoscaler: {
      maxReplicas: 2,
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "x" },
    },
    PodDisruptionBudget: { maxUnavailable: 1, selector },
  };
  const whole = kind === "Pod" ? runs : kind in specs ? { spec: specs[kind] } : {};
  return laid({ apiVersion: apiVersionOf(kind), kind, ...whole }, { metadata: { name: `x-${kind.toLowerCase()}` } });
}

function* objectsOf(example: Example): Generator<{ kind: string; object: GuardBody }> {
  const { pod, object, not = [] } = example;
  if (pod) {
    for (const kind of ["Pod", ...workloadGuards]) {
      if (!not.includes(kind)) yield { kind, object: ordinaryOf(kind, pod) };
    }
  }
  for (const kind of object?.kinds ?? []) {
    const { spec = {}, metadata = {}, fields = {} } = object!;
    yield { kind, object: laid(ordinaryOf(kind), { ...fields, metadata, ...(object!.spec ? { spec } : {}) }) };
  }
}

const casesOf = <T extends Example>(list: (guard: Guard) => readonly T[]) =>
  guards.flatMap((guard) =>
    list(guard).flatMap((example) =>
      [...objectsOf(example)].map(({ kind, object }) => ({
        ...example,
        guard: guard.name,
        title: `${guard.name}: ${example.title}, as a ${kind}`,
        kind,
        object,
        settings: example.settings ?? {},
      }))
    )
  );

/** Objects that have to be refused. */
export const attacks: readonly AttackCase[] = casesOf<GuardAttack>(({ attacks }) => attacks);

/** Objects that have to be admitted, a plain one of each kind included. */
export const ordinary: readonly GuardCase[] = [
  ...Object.keys(paths).map((kind): GuardCase => ({
    guard: "pod-fields",
    title: `an ordinary ${kind}`,
    kind,
    object: ordinaryOf(kind),
    settings: {},
  })),
  ...casesOf<Example>(({ ordinary }) => ordinary),
];

/** Installs the base with the guards of the current table. */
export async function installGuards(cluster: Cluster, base: string): Promise<void> {
  for (const [args, stdin] of [[["-k", base], ""], [["-f", "-"], guestGuards()]] as const) {
    const { code, stderr } = await cluster.kubectl(["apply", ...args], { stdin });
    if (code !== 0) throw new Error(stderr);
  }
  await policiesInForce(cluster);
}

/** RuntimeClasses and PriorityClasses that the cases name. */
export const classes: GuardBody[] = [
  { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "hostile-gpu" }, handler: "gpu" },
  { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "hostile-sandbox" }, handler: "sandbox" },
  { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: "hostile-some" }, value: 1000 },
  { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: "hostile-low" }, value: -10 },
];
