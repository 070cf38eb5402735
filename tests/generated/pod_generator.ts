/** Generates pods: their containers, volumes and classes. */
import type { SeededRandom } from "../simulation/random.ts";
import type { AnyObject } from "./live_object.ts";

export interface PodTerms {
  random: SeededRandom;
  most: { cpu: number; memory: number; storage: number };
  /** Pods meet Pod Security restricted. */
  restricted: boolean;
}

interface Amounts {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

/** Most pods of a realm that requires it meet Pod Security restricted; the others have to be refused. */
export const isRestrictedNow = (random: SeededRandom): boolean => random.percent(97);

/** Returns an amount for each of `count` pods whose sum is near the total, or any. */
function near({ random }: PodTerms, total: number, unit: string, count: number): string {
  const share = Math.floor(total / random.of([1, 1, 1, 2]) / count);
  const amount = random.percent(60)
    ? share + random.of([-1, 0, 1])
    : 1 + random.below(Math.max(1, Math.ceil(total * 0.7 / count)));
  return `${Math.max(1, amount)}${unit}`;
}

/** Returns the resources of one container of each of `count` pods. */
export function amounts(terms: PodTerms, count: number): Amounts {
  const { random, most } = terms;
  const cpu = () => near(terms, most.cpu, "m", count);
  const memory = () => near(terms, most.memory, "Mi", count);
  const both = (amount: Record<string, string>): Amounts => ({ requests: amount, limits: amount });
  return random.of<() => Amounts>([
    () => both({ cpu: cpu() }),
    () => both({ cpu: cpu() }),
    () => both({ memory: memory() }),
    () => both({ memory: memory() }),
    () => both({ cpu: cpu(), memory: memory() }),
    () => ({ requests: { cpu: "10m" }, limits: { cpu: near(terms, most.cpu * 2, "m", count) } }),
    () => ({ limits: { cpu: cpu() } }),
    // Often above the default limit.
    () => ({ requests: { cpu: cpu() } }),
    () => both({ "example.com/gpu": String(1 + random.below(2)), cpu: "50m" }),
    () => ({ requests: { "ephemeral-storage": near(terms, 4096, "Mi", count) } }),
    () => ({}),
    () => ({}),
    () => both({ cpu: "10m", memory: "16Mi" }),
  ])();
}

const container = (name: string, resources: Amounts, more: object = {}): AnyObject => ({
  name,
  image: "example.com/none:1",
  ...(Object.keys(resources).length === 0 ? {} : { resources }),
  ...more,
});

function generatedSpec(terms: PodTerms, count: number): AnyObject {
  const { random, most } = terms;
  const of = (count: number) => amounts(terms, count);
  const spec = random.of<() => AnyObject>([
    () => ({ containers: [container("a", of(count))] }),
    () => ({ containers: [container("a", of(count))] }),
    () => ({ containers: [container("a", of(count))] }),
    () => ({ containers: [container("a", of(count * 2)), container("b", of(count * 2))] }),
    () => ({ initContainers: [container("i", of(count))], containers: [container("a", of(count))] }),
    () => ({
      initContainers: [container("s", of(count * 2), { restartPolicy: "Always" }), container("i", of(count * 2))],
      containers: [container("a", of(count * 2))],
    }),
    () => ({
      initContainers: [container("i", of(count)), container("s", of(count * 2), { restartPolicy: "Always" })],
      containers: [container("a", of(count * 2))],
    }),
    () => ({
      resources: {
        requests: { cpu: near(terms, most.cpu, "m", count), memory: "100Mi" },
        limits: { cpu: `${most.cpu}m`, memory: "512Mi" },
      },
      containers: [container("a", {}), ...(random.percent(30) ? [container("b", {})] : [])],
    }),
  ])();
  if (random.percent(8)) spec.runtimeClassName = "heavy";
  if (random.percent(8)) spec.priorityClassName = random.of(["low", "none"]);
  if (random.percent(6)) spec.activeDeadlineSeconds = 4000;
  if (random.percent(8)) {
    const storageClassName = random.of([undefined, "fast", "slow"]);
    spec.volumes = [{
      name: "scratch",
      ephemeral: {
        volumeClaimTemplate: {
          spec: {
            accessModes: ["ReadWriteOnce"],
            resources: { requests: { storage: `${1 + random.below(Math.ceil(most.storage / count))}Gi` } },
            ...(storageClassName === undefined ? {} : { storageClassName }),
          },
        },
      },
    }];
  }
  return spec;
}

const restrictedContainer = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };

/** Returns a pod template with the label `app`; its spec is generated for `count` pods, or given. */
export function podTemplate(terms: PodTerms, app: string, given?: AnyObject, count = 1): AnyObject {
  const spec = given ?? generatedSpec(terms, count);
  if (terms.restricted) {
    spec.securityContext = { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } };
    for (const each of [...spec.initContainers ?? [], ...spec.containers]) each.securityContext = restrictedContainer;
  }
  // Ended at once by the made-up nodes, whatever is given.
  return { metadata: { labels: { app } }, spec };
}
