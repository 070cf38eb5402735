/** Kinds that `keystone explain` takes, by all names that kubectl takes for them. */
import type { Resource } from "../../../lib/kubernetes/mod.ts";
import { type ExplainedKind, explainedKinds } from "../../core/report/explain_object.ts";
import type { ReportedObject } from "../../core/report/reported_objects.ts";
import { usageError } from "../exit.ts";

interface Names {
  group: string;
  version?: string;
  short: readonly string[];
}

const names: Readonly<Record<ExplainedKind, Names>> = {
  Pod: { group: "", short: ["po"] },
  Deployment: { group: "apps", short: ["deploy"] },
  StatefulSet: { group: "apps", short: ["sts"] },
  DaemonSet: { group: "apps", short: ["ds"] },
  ReplicaSet: { group: "apps", short: ["rs"] },
  ReplicationController: { group: "", short: ["rc"] },
  Job: { group: "batch", short: [] },
  CronJob: { group: "batch", short: ["cj"] },
  PersistentVolumeClaim: { group: "", short: ["pvc"] },
  Service: { group: "", short: ["svc"] },
  HorizontalPodAutoscaler: { group: "autoscaling", version: "v2", short: ["hpa"] },
};

/** Returns the API resource of a kind, with the fields that explanations read. */
export const explainedResource = <T extends ReportedObject = ReportedObject>(kind: ExplainedKind): Resource<T> => ({
  group: names[kind].group,
  version: names[kind].version ?? "v1",
  kind,
  plural: `${kind.toLowerCase()}s`,
  namespaced: true,
});

/** Words for the kinds, for completion: the plainest name of each. */
export const explainableWords: readonly string[] = ["grant", ...explainedKinds.map((kind) => kind.toLowerCase())];

/** An object by kind and name, as on the command line. */
export interface ExplainTarget {
  kind: ExplainedKind | "Grant";
  name: string;
}

/** Reads `deployment web`, `deploy/web` or `deployments.apps web`. */
export function explainTarget(kind: string, name: string | undefined): ExplainTarget {
  const slash = kind.indexOf("/");
  if (slash >= 0 && name !== undefined) {
    throw usageError(`${kind} ${name}: there is more than one name. Explain one object at a time.`);
  }
  const [word, named] = slash < 0 ? [kind, name] : [kind.slice(0, slash), kind.slice(slash + 1)];
  const found = kindOf(word);
  if (named?.includes("/")) throw usageError(`The name ${named} contains a slash. Use ${word}/NAME.`);
  if (named === undefined || named === "") {
    throw usageError(`The name is not set. Use keystone explain ${word} NAME, or ${word}/NAME.`);
  }
  return { kind: found, name: named };
}

/** Returns the kind by its name, plural, short name, or with its version and group as in `deployments.v1.apps`. */
function kindOf(word: string): ExplainTarget["kind"] {
  const [first, ...rest] = word.toLowerCase().split(".");
  const qualified = rest.join(".");
  const isOf = (group: string, version = "v1") =>
    qualified === "" || qualified === group || qualified === `${version}.${group}` || qualified === `${version}.`;
  if ((first === "grant" || first === "grants") && isOf("keystone.io", "v1alpha1")) return "Grant";
  const kind = explainedKinds.find((kind) =>
    (first === kind.toLowerCase() || first === `${kind.toLowerCase()}s` || names[kind].short.includes(first!)) &&
    isOf(names[kind].group, names[kind].version)
  );
  if (kind) return kind;
  const shown = /^(realm|superentity|superentities)/.exec(first!)?.[1];
  if (shown !== undefined) {
    const list = `keystone ${shown === "realm" ? "realm" : "superentity"} list NAME`;
    throw usageError(`The kind ${word} can't be explained. Its state and the reason are in ${list}.`);
  }
  throw usageError(`The kind ${word} can't be explained. It must be one of: ${explainableWords.join(", ")}.`);
}
