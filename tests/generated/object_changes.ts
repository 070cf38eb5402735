/** Changes of applied objects, as people make them between two applies. */
import type { GeneratedStep, GuestProfile } from "./generated_case.ts";
import type { AnyObject, ComparedKind } from "./live_object.ts";
import { amounts, type PodTerms } from "./pod_generator.ts";

/** Terms from which the parts of a case are generated. */
export interface CaseTerms extends PodTerms {
  profile: GuestProfile;
}

type Change = (terms: CaseTerms, object: AnyObject) => Partial<GeneratedStep> | void;

/** Returns the template of a workload's pods; a Pod is its own. */
export const podTemplateOf = ({ kind, spec, ...pod }: AnyObject): AnyObject | undefined =>
  kind === "Pod" ? { ...pod, spec } : spec?.jobTemplate?.spec.template ?? spec?.template;

const containersOf = (object: AnyObject): AnyObject[] => podTemplateOf(object)?.spec.containers ?? [];

/** Returns the field that has the number of pods, and the spec that it is in. */
function sizeOf(object: AnyObject): { spec: AnyObject; field: string } | undefined {
  const { kind, spec } = object;
  if (["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"].includes(kind!)) {
    return { spec, field: "replicas" };
  }
  if (kind === "Job") return { spec, field: "parallelism" };
  return kind === "CronJob" ? { spec: spec.jobTemplate.spec, field: "parallelism" } : undefined;
}

const image: Change = ({ random }, object) => {
  for (const each of containersOf(object)) each.image = `example.com/none:${2 + random.below(1000)}`;
};

const annotation: Change = ({ random }, object) => {
  object.metadata = { ...object.metadata, annotations: { note: String(random.below(1000)) } };
};

const templateAnnotation: Change = ({ random }, object) => {
  const template = podTemplateOf(object);
  const annotations = { "kubectl.kubernetes.io/restartedAt": String(random.below(1000)) };
  if (template) template.metadata = { ...template.metadata, annotations };
};

const growth: Change = ({ random }, object) => {
  const size = sizeOf(object);
  if (size) size.spec[size.field] = Math.min(8, (size.spec[size.field] ?? 1) + 1 + random.below(3));
};

const shrinkage: Change = ({ random }, object) => {
  const size = sizeOf(object);
  // A run without pods would never end, and keep others from starting.
  const least = object.kind === "CronJob" ? 1 : 0;
  if (size) size.spec[size.field] = Math.max(least, random.below(Math.max(1, size.spec[size.field] ?? 1)));
};

const otherAmounts: Change = (terms, object) => {
  const size = sizeOf(object);
  const [first] = containersOf(object);
  if (first) first.resources = amounts(terms, Math.max(1, size?.spec[size.field] ?? 1));
};

const replicasLeftOut: Change = (_, { spec, kind }) => {
  if (kind !== "Job" && kind !== "CronJob") delete spec?.replicas;
};

const scaledByHand: Change = ({ random }, object) => {
  const { kind, metadata, spec } = object;
  if (sizeOf(object)?.field !== "replicas") return;
  if (random.percent(50)) delete spec.replicas;
  if (random.percent(50)) image(...[{ random } as CaseTerms, object] as const);
  const scale = { kind: kind as ComparedKind, name: metadata!.name!, replicas: random.below(7) };
  return { preparation: { scale } };
};

const deletedFirst: Change = ({ random }, object) => {
  if (random.percent(40)) growth({ random } as CaseTerms, object);
  return { preparation: { remove: { kind: object.kind as ComparedKind, name: object.metadata!.name! } } };
};

const sidecar: Change = (terms, object) => {
  const template = podTemplateOf(object);
  if (!template) return;
  const [first] = template.spec.containers;
  template.spec.initContainers = [
    ...(template.spec.initContainers ?? []).filter(({ name }: AnyObject) => name !== "added"),
    { ...first, name: "added", restartPolicy: "Always", resources: amounts(terms, 4) },
  ];
};

const strategy: Change = ({ random }, { kind, spec }) => {
  if (kind === "Deployment") {
    spec.strategy = random.of<object>([
      { type: "Recreate" },
      { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      { type: "RollingUpdate", rollingUpdate: { maxSurge: "50%", maxUnavailable: "50%" } },
    ]);
  } else if (kind === "StatefulSet") {
    spec.updateStrategy = random.of<object>([
      { type: "OnDelete" },
      { type: "RollingUpdate", rollingUpdate: { partition: random.below(3) } },
    ]);
  }
};

const strategyAndImage: Change = (terms, object) => {
  strategy(terms, object);
  image(terms, object);
};

const paused: Change = (_, { kind, spec }) => {
  if (kind === "Deployment") spec.paused = !spec.paused;
};

const suspended: Change = (_, { kind, spec }) => {
  if (kind === "Job" || kind === "CronJob") spec.suspend = !spec.suspend;
};

const finished: Change = (_, { kind }) => kind === "Job" || kind === "CronJob" ? { preparation: { finish: true } } : {};

const claimSize: Change = ({ random }, { kind, spec }) => {
  if (kind === "PersistentVolumeClaim") spec.resources.requests.storage = `${1 + random.below(9)}Gi`;
};

const autoscalerBounds: Change = ({ random }, { kind, spec }) => {
  if (kind !== "HorizontalPodAutoscaler") return;
  spec.minReplicas = 1 + random.below(5);
};

const serviceType: Change = ({ random }, { kind, spec }) => {
  if (kind !== "Service") return;
  spec.type = random.of(["ClusterIP", "NodePort", "LoadBalancer"]);
  if (spec.type !== "LoadBalancer") delete spec.allocateLoadBalancerNodePorts;
  spec.ports = spec.ports.slice(0, 1 + random.below(3));
};

/** Changes of most kinds. */
export const changes = { annotation, image, growth, shrinkage, otherAmounts };

const byKind: Readonly<Record<string, Record<string, Change>>> = {
  Deployment: {
    image,
    annotation,
    templateAnnotation,
    growth,
    shrinkage,
    otherAmounts,
    replicasLeftOut,
    scaledByHand,
    deletedFirst,
    sidecar,
    strategy,
    strategyAndImage,
    paused,
  },
  StatefulSet: {
    image,
    annotation,
    growth,
    shrinkage,
    otherAmounts,
    replicasLeftOut,
    scaledByHand,
    deletedFirst,
    strategyAndImage,
    sidecar,
  },
  DaemonSet: { image, annotation, otherAmounts, sidecar, templateAnnotation, deletedFirst },
  ReplicaSet: { annotation, growth, shrinkage, image, otherAmounts, scaledByHand, replicasLeftOut },
  ReplicationController: { annotation, growth, shrinkage, image, otherAmounts, scaledByHand },
  Job: { annotation, growth, shrinkage, suspended, finished, deletedFirst },
  CronJob: { annotation, growth, shrinkage, suspended, image, otherAmounts, finished },
  Pod: { annotation, image, deletedFirst },
  PersistentVolumeClaim: { annotation, claimSize, claimSizeAgain: claimSize },
  HorizontalPodAutoscaler: { autoscalerBounds },
  Service: { annotation, serviceType },
};

/** Returns the next step: the objects with one of them changed. */
export function changedObject(terms: CaseTerms, objects: readonly AnyObject[]): GeneratedStep {
  const { random } = terms;
  const next = structuredClone([...objects]);
  const object = random.of(next);
  const [title, change] = random.of(Object.entries(byKind[object.kind!]!));
  const more = change(terms, object) ?? {};
  return { title: `${object.kind}: ${title}`, objects: next, ...more };
}
