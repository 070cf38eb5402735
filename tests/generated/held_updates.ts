/** Updates that roll nothing by themselves, and what people do next. */
import type { GeneratedStep } from "./generated_case.ts";
import type { AnyObject } from "./live_object.ts";
import { type CaseTerms, changes, podTemplateOf } from "./object_changes.ts";

/** Sets the fields that keep an update from replacing pods; false if the kind has none. */
function hold({ random }: CaseTerms, { kind, spec }: AnyObject): boolean {
  switch (kind) {
    case "DaemonSet":
      spec.updateStrategy = { type: "OnDelete" };
      return true;
    case "StatefulSet":
      spec.updateStrategy = random.of<object>([
        { type: "OnDelete" },
        { type: "RollingUpdate", rollingUpdate: { partition: spec.replicas ?? 1 } },
        { type: "RollingUpdate", rollingUpdate: { partition: 1 + random.below(3) } },
      ]);
      return true;
    case "Deployment":
      spec.paused = true;
      return true;
    case "CronJob":
      spec.suspend = true;
      return true;
    default:
      return kind === "ReplicaSet" || kind === "ReplicationController";
  }
}

/** Lets the update go on. */
function release({ kind, spec }: AnyObject): void {
  delete spec.updateStrategy;
  if (kind === "Deployment") delete spec.paused;
  // Left out, it would stay: the comparison suspends CronJobs as well, and so owns the field.
  if (kind === "CronJob") spec.suspend = false;
}

function device(object: AnyObject): void {
  const one = { "example.com/gpu": "1" };
  for (const each of podTemplateOf(object)?.spec.containers.slice(0, 1) ?? []) {
    const { requests, limits } = each.resources ?? {};
    each.resources = { requests: { ...requests, ...one }, limits: { ...limits, ...one } };
  }
}

/**
 * Returns one to three further steps of a case: an update that is held back, with pods that often can't exist, then another
 * change meanwhile, then the release. None for objects of other kinds.
 */
export function heldSteps(terms: CaseTerms, objects: readonly AnyObject[]): GeneratedStep[] {
  const { random } = terms;
  const index = objects.findIndex(({ kind, spec }) => hold(terms, { kind: kind!, spec: structuredClone(spec) }));
  if (index < 0) return [];
  const step = (title: string, before: readonly AnyObject[], change: (object: AnyObject) => void): GeneratedStep => {
    const next = structuredClone([...before]);
    change(next[index]!);
    return { title: `${next[index]!.kind}: ${title}`, objects: next };
  };
  const update = random.of([device, device, (object: AnyObject) => void changes.otherAmounts(terms, object)]);
  const steps = [step("held update", objects, (object) => {
    hold(terms, object);
    update(object);
  })];
  const meanwhile = random.of([undefined, changes.annotation, changes.growth, changes.shrinkage, changes.image]);
  if (meanwhile) {
    steps.push(step("change of what is held", steps[0]!.objects, (object) => void meanwhile(terms, object)));
  }
  if (random.percent(40)) steps.push(step("release", steps.at(-1)!.objects, release));
  return steps;
}
