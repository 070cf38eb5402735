/** Generates cases: many of their amounts are at the very edge of a quota. */
import { randomOf, type SeededRandom } from "../simulation/random.ts";
import { type GeneratedCase, type GeneratedStep, guestProfiles } from "./generated_case.ts";
import type { AnyObject } from "./live_object.ts";
import { heldSteps } from "./held_updates.ts";
import { type CaseTerms, changedObject, podTemplateOf } from "./object_changes.ts";
import { isRestrictedNow, podTemplate } from "./pod_generator.ts";
import { rareFieldsOf } from "./rare_fields.ts";

/** Returns the case with this index. It depends on nothing else, so that each can be repeated alone. */
export function generatedCase(seed: number, index: number): GeneratedCase {
  const random = randomOf(seed, index);
  const profileIndex = index % guestProfiles.length;
  const profile = guestProfiles[profileIndex]!;
  const terms: CaseTerms = {
    random,
    profile,
    most: profile.most,
    restricted: profile.trustLevel === "partner" && isRestrictedNow(random),
  };
  const quotas = random.percent(35) ? quotasBeside(terms) : [];
  const ranges = random.percent(20) ? [rangeBeside(random)] : [];
  const before = random.percent(30) ? [filler(terms)] : [];
  const first = objectsOf(terms);
  const steps: GeneratedStep[] = [{ title: "create", objects: first }];
  for (let count = random.of([1, 1, 1, 2, 2, 3]); count > 0; count--) {
    steps.push(changedObject(terms, steps.at(-1)!.objects));
  }
  // By another random too, after the steps that a case has anyway.
  const held = randomOf(seed + 0x4e1d, index);
  if (held.percent(25)) steps.push(...heldSteps({ ...terms, random: held }, steps.at(-1)!.objects));
  // With several LimitRanges it isn't defined which one's defaults apply.
  if (ranges.some(({ spec }) => spec.limits.some(({ type }: AnyObject) => type === "Container"))) {
    for (const object of steps.flatMap(({ objects }) => objects)) withoutDefaults(object);
  }
  // By another random, so that the other parts of a case stay what they are.
  const rare = rareFieldsOf(randomOf(seed + 0x5eed, index));
  for (const object of steps.flatMap(({ objects }) => objects)) rare(object);
  const hasDaemons = first.some(({ kind }) => kind === "DaemonSet");
  return {
    seed,
    index,
    profile: profileIndex,
    // A guest can't read nodes, so would-fit can't count a DaemonSet's pods for one.
    asker: random.percent(hasDaemons ? 85 : 12) ? "admin" : "guest",
    kubectl: random.percent(8),
    quotas,
    ranges,
    before,
    steps,
  };
}

/** Gives every container requests and limits, so that no default applies. */
function withoutDefaults(object: AnyObject): void {
  const { spec } = podTemplateOf(object) ?? {};
  for (const each of [...spec?.initContainers ?? [], ...spec?.containers ?? []]) {
    const { requests = {}, limits = {} } = each.resources ?? {};
    const cpu = requests.cpu ?? limits.cpu ?? "100m";
    const memory = requests.memory ?? limits.memory ?? "64Mi";
    each.resources = {
      requests: { ...requests, cpu, memory },
      limits: { ...limits, cpu: limits.cpu ?? cpu, memory: limits.memory ?? memory },
    };
  }
}

function quotasBeside({ random, most }: CaseTerms): AnyObject[] {
  const quota = (hard: Record<string, string>, more: object = {}): AnyObject => ({ spec: { hard, ...more } });
  const cpu = () => `${random.of([most.cpu / 2, most.cpu * 0.75, most.cpu])}m`;
  const kinds: (() => AnyObject)[] = [
    () => quota({ pods: String(1 + random.below(6)) }),
    () => quota({ "requests.cpu": cpu() }),
    () => quota({ "requests.memory": `${most.memory / 2}Mi`, "limits.memory": `${most.memory}Mi` }),
    () => quota({ "count/pods": String(2 + random.below(6)) }),
    () => quota({ "count/replicasets.apps": String(1 + random.below(3)) }),
    () => quota({ "count/controllerrevisions.apps": String(1 + random.below(3)) }),
    () => quota({ pods: String(1 + random.below(4)) }, { scopes: ["BestEffort"] }),
    () => quota({ pods: String(1 + random.below(5)), "requests.cpu": cpu() }, { scopes: ["NotBestEffort"] }),
    () => quota({ pods: String(1 + random.below(4)) }, { scopes: ["Terminating"] }),
    () => quota({ pods: String(1 + random.below(5)), "limits.cpu": cpu() }, { scopes: ["NotTerminating"] }),
    () =>
      quota({ pods: String(1 + random.below(3)) }, {
        scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator: "In", values: ["low"] }] },
      }),
    () => quota({ persistentvolumeclaims: String(1 + random.below(3)) }),
    () => quota({ "fast.storageclass.storage.k8s.io/requests.storage": `${1 + random.below(6)}Gi` }),
    () => quota({ "count/services": String(1 + random.below(2)) }),
    () => quota({ "count/jobs.batch": String(1 + random.below(2)) }),
    () => quota({ "requests.cpu": cpu(), "limits.cpu": `${most.cpu}m` }),
  ];
  return random.shuffled(kinds).slice(0, random.of([1, 1, 2])).map((make, index) => ({
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: `beside-${index}` },
    ...make(),
  }));
}

function rangeBeside(random: SeededRandom): AnyObject {
  const limits = random.of([
    [{ type: "Container", max: { cpu: "700m", memory: "700Mi" } }],
    [{ type: "Container", min: { cpu: "50m", memory: "32Mi" } }],
    [{ type: "Container", default: { cpu: "300m" }, defaultRequest: { cpu: "150m" } }],
    [{ type: "Container", maxLimitRequestRatio: { cpu: "2" } }],
    [{ type: "Pod", max: { cpu: "1", memory: "1Gi" } }],
    [{ type: "Pod", min: { cpu: "20m" } }],
    [{ type: "PersistentVolumeClaim", min: { storage: "1Gi" }, max: { storage: "5Gi" } }],
    [{ type: "Container", max: { cpu: "900m" } }, { type: "Pod", max: { memory: "900Mi" } }],
  ]);
  return { apiVersion: "v1", kind: "LimitRange", metadata: { name: "beside" }, spec: { limits } };
}

/** Returns a pod, or a few, that use part of the grant. */
function filler({ random, most, restricted }: CaseTerms): AnyObject {
  const replicas = random.of([1, 1, 2]);
  const share = random.of([2, 4]) * replicas;
  const requests = { cpu: `${Math.floor(most.cpu / share)}m`, memory: `${Math.floor(most.memory / share)}Mi` };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: "filler" },
    spec: {
      replicas,
      selector: { matchLabels: { app: "filler" } },
      template: podTemplate({ random, most, restricted }, "filler", {
        containers: [{ name: "a", image: "example.com/none:1", resources: { requests, limits: requests } }],
      }),
    },
  };
}

function objectsOf(terms: CaseTerms): AnyObject[] {
  const { random } = terms;
  const object = workload(terms, "main", random.below(100));
  const objects = [object];
  if (object.kind === "Deployment" || object.kind === "StatefulSet") {
    if (random.percent(15)) objects.push(autoscaler(random, object));
    else if (random.percent(8)) objects.push(service(random));
  }
  if (random.percent(8)) objects.push(workload(terms, "other", random.below(70)));
  return objects;
}

function workload(terms: CaseTerms, name: string, chosen: number): AnyObject {
  const { random } = terms;
  const replicas = random.of([0, 1, 1, 2, 2, 3, 3, 4, 5, 6]);
  const count = Math.max(1, replicas);
  const template = () => podTemplate(terms, name, undefined, count);
  const selector = { matchLabels: { app: name } };
  const metadata = { name };
  const size = random.percent(90) ? { replicas } : {};
  if (chosen < 34) {
    const spec = { ...size, selector, template: template(), ...deploymentTerms(random) };
    return { apiVersion: "apps/v1", kind: "Deployment", metadata, spec };
  }
  if (chosen < 50) {
    const spec = { ...size, serviceName: name, selector, template: template(), ...setTerms(terms, count) };
    return { apiVersion: "apps/v1", kind: "StatefulSet", metadata, spec };
  }
  if (chosen < 58) {
    const daemon = podTemplate(terms, name, undefined, 3);
    Object.assign(daemon.spec, placement(random));
    const strategy = random.of([
      {},
      { updateStrategy: { type: "OnDelete" } },
      { updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: random.of([1, "50%", "100%"]) } } },
      {
        updateStrategy: {
          type: "RollingUpdate",
          rollingUpdate: { maxSurge: random.of([1, "50%"]), maxUnavailable: 0 },
        },
      },
    ]);
    return { apiVersion: "apps/v1", kind: "DaemonSet", metadata, spec: { selector, template: daemon, ...strategy } };
  }
  if (chosen < 64) {
    return { apiVersion: "apps/v1", kind: "ReplicaSet", metadata, spec: { ...size, selector, template: template() } };
  }
  if (chosen < 67) {
    const spec = { ...size, selector: { app: name }, template: template() };
    return { apiVersion: "v1", kind: "ReplicationController", metadata, spec };
  }
  if (chosen < 77) return { apiVersion: "batch/v1", kind: "Job", metadata, spec: jobSpec(terms, name, count) };
  if (chosen < 82) {
    return {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata,
      spec: {
        schedule: "*/5 * * * *",
        ...(random.percent(25) ? { suspend: true } : {}),
        concurrencyPolicy: random.of(["Allow", "Forbid", "Replace"]),
        jobTemplate: { spec: jobSpec(terms, name, count) },
      },
    };
  }
  if (chosen < 88) {
    const { metadata: { labels } = {}, spec } = podTemplate(terms, name);
    return { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, labels: labels! }, spec };
  }
  if (chosen < 94) {
    return { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata, spec: claimSpec(terms, 1) };
  }
  return { ...service(random), metadata };
}

function deploymentTerms(random: SeededRandom): object {
  const bounds = (): object => ({
    maxSurge: random.of([0, 1, 2, "25%", "50%", "100%"]),
    maxUnavailable: random.of([0, 1, 2, "25%", "50%", "100%"]),
  });
  const rolling = bounds() as { maxSurge: number | string; maxUnavailable: number | string };
  // Both 0 is invalid.
  if (rolling.maxSurge === 0 && rolling.maxUnavailable === 0) rolling.maxUnavailable = 1;
  return {
    ...random.of([
      {},
      {},
      { strategy: { type: "Recreate" } },
      { strategy: { type: "RollingUpdate", rollingUpdate: rolling } },
      { strategy: { type: "RollingUpdate", rollingUpdate: rolling } },
    ]),
    ...(random.percent(6) ? { paused: true } : {}),
    ...(random.percent(10) ? { revisionHistoryLimit: random.below(3) } : {}),
  };
}

function setTerms(terms: CaseTerms, count: number): object {
  const { random } = terms;
  const claims = random.percent(55)
    ? {
      volumeClaimTemplates: [{ metadata: { name: "data" }, spec: claimSpec(terms, count) }],
      ...(random.percent(30)
        ? {
          persistentVolumeClaimRetentionPolicy: {
            whenDeleted: random.of(["Retain", "Delete"]),
            whenScaled: random.of(["Retain", "Delete"]),
          },
        }
        : {}),
    }
    : {};
  return {
    ...claims,
    ...(random.percent(50) ? { podManagementPolicy: random.of(["Parallel", "OrderedReady"]) } : {}),
    ...random.of([
      {},
      {},
      { updateStrategy: { type: "OnDelete" } },
      { updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: random.below(3) } } },
    ]),
  };
}

function claimSpec({ random, most }: CaseTerms, count: number): AnyObject {
  const edge = Math.floor(most.storage / count) + random.of([-1, 0, 1]);
  const size = random.percent(50) ? Math.max(1, edge) : 1 + random.below(3);
  const storageClassName = random.of([undefined, undefined, "fast", "slow", "older"]);
  return {
    accessModes: ["ReadWriteOnce"],
    resources: { requests: { storage: `${size}Gi` } },
    ...(storageClassName === undefined ? {} : { storageClassName }),
  };
}

function jobSpec(terms: CaseTerms, name: string, parallelism: number): AnyObject {
  const { random } = terms;
  const template = podTemplate(terms, name, undefined, parallelism);
  template.spec.restartPolicy = random.of(["Never", "OnFailure"]);
  const completions = random.of([undefined, 1, parallelism, parallelism + 2]);
  const isIndexed = completions !== undefined && random.percent(30);
  return {
    template,
    ...(random.percent(90) ? { parallelism } : {}),
    ...(completions === undefined ? {} : { completions }),
    ...(isIndexed ? { completionMode: "Indexed" } : {}),
    ...(random.percent(15) ? { suspend: true } : {}),
    ...(random.percent(25) ? { backoffLimit: random.below(4) } : {}),
    ...(random.percent(25) ? { activeDeadlineSeconds: 3000 } : {}),
  };
}

/** Returns the part of a DaemonSet's pods that selects nodes. */
function placement(random: SeededRandom): object {
  const device = [{ key: "dedicated", operator: "Equal", value: "gpu", effect: "NoSchedule" }];
  const affinity = (key: string, operator: string, values: string[]) => ({
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
      },
    },
  });
  return random.of<object>([
    {},
    { nodeSelector: { disk: "ssd" } },
    { nodeSelector: { disk: "none" } },
    { nodeSelector: { device: "gpu" }, tolerations: device },
    { tolerations: device },
    { affinity: affinity("zone", "In", ["a"]) },
    { affinity: affinity("disk", "NotIn", ["ssd"]), tolerations: device },
    { nodeSelector: { zone: "b" }, affinity: affinity("disk", "In", ["hdd", "ssd"]) },
  ]);
}

function autoscaler(random: SeededRandom, { apiVersion, kind, metadata }: AnyObject): AnyObject {
  const minReplicas = random.of([undefined, 1, 2, 3, 4]);
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "main" },
    spec: {
      scaleTargetRef: { apiVersion, kind, name: metadata!.name },
      ...(minReplicas === undefined ? {} : { minReplicas }),
      // At least the number of pods of any workload: an autoscaler that removes pods at once makes room again.
      maxReplicas: 8 + random.below(3),
    },
  };
}

function service(random: SeededRandom): AnyObject {
  const type = random.of(["ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"]);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "main" },
    spec: {
      type,
      selector: { app: "main" },
      ...(type === "LoadBalancer" ? { allocateLoadBalancerNodePorts: random.percent(50) } : {}),
      ports: Array.from({ length: 1 + random.below(3) }, (_, index) => ({ name: `p${index}`, port: 80 + index })),
    },
  };
}
