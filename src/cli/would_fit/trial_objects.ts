/** The pod and the claims that controllers would create for a workload, for a dry run. */
type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : {};

const listOf = (value: unknown): Fields[] => Array.isArray(value) ? value.map(fieldsOf) : [];

/** Returns the pod template of a workload; undefined if its kind has none. */
export function templateOf(object: unknown): Fields | undefined {
  const { apiVersion, kind, spec } = fieldsOf(object);
  const { template, jobTemplate } = fieldsOf(spec);
  switch (`${apiVersion}/${kind}`) {
    case "v1/ReplicationController":
    case "apps/v1/Deployment":
    case "apps/v1/ReplicaSet":
    case "apps/v1/StatefulSet":
    case "apps/v1/DaemonSet":
    case "batch/v1/Job":
      return fieldsOf(template);
    case "batch/v1/CronJob":
      return fieldsOf(fieldsOf(fieldsOf(jobTemplate).spec).template);
    default:
      return undefined;
  }
}

export interface TrialPod {
  apiVersion: "v1";
  kind: "Pod";
  metadata: { generateName: string; labels?: Fields; annotations?: unknown; finalizers?: unknown };
  spec: Fields;
}

const prefixOf = (name: unknown): string => `${String(name || "pod").slice(0, 50)}-`;

/**
 * Returns a pod of the workload; undefined if it has no pod template.
 *
 * @param accounts ServiceAccounts that are not there yet: the pod is tried with the account `default`
 */
export function trialPod(object: unknown, accounts: ComingAccounts): TrialPod | undefined {
  const template = templateOf(object);
  if (template === undefined) return undefined;
  const { name } = fieldsOf(fieldsOf(object).metadata);
  const { labels, annotations, finalizers } = fieldsOf(template.metadata);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: prefixOf(name),
      ...(labels ? { labels: fieldsOf(labels) } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
    },
    spec: withAccount({ ...fieldsOf(template.spec), ...claimVolumes(object, fieldsOf(template.spec)) }, accounts),
  };
}

/** ServiceAccounts that are not there yet, with `automountServiceAccountToken`. */
export type ComingAccounts = ReadonlyMap<string, boolean>;

/** Returns a spec with the account `default` in the place of one that is not there yet, with the token of that one. */
export function withAccount(spec: Fields, accounts: ComingAccounts): Fields {
  const mounts = accounts.get(String(spec.serviceAccountName ?? spec.serviceAccount ?? ""));
  if (mounts === undefined) return spec;
  const { serviceAccount: _, ...others } = spec;
  return {
    ...others,
    serviceAccountName: "default",
    automountServiceAccountToken: spec.automountServiceAccountToken ?? mounts,
  };
}

/** Returns a StatefulSet's volumes, with its claims in the place of volumes of the same names. */
function claimVolumes(object: unknown, spec: Fields): Fields {
  const { kind, metadata, spec: setSpec } = fieldsOf(object);
  const templates = listOf(fieldsOf(setSpec).volumeClaimTemplates);
  if (kind !== "StatefulSet" || templates.length === 0) return {};
  const names = templates.map((template) => String(fieldsOf(template.metadata).name));
  return {
    volumes: [
      ...listOf(spec.volumes).filter(({ name }) => !names.includes(String(name))),
      ...names.map((name) => ({
        name,
        persistentVolumeClaim: { claimName: `${name}-${fieldsOf(metadata).name}-0` },
      })),
    ],
  };
}

export interface TrialClaim {
  /** Name of the template or volume. */
  name: string;
  claim: Fields;
}

/** Returns one claim of each template of a StatefulSet and of each generic ephemeral volume of the pods. */
export function trialClaims(object: unknown): TrialClaim[] {
  const { kind, metadata, spec } = fieldsOf(object);
  const { name: owner } = fieldsOf(metadata);
  const podSpec = kind === "Pod" ? fieldsOf(spec) : fieldsOf(templateOf(object)?.spec);
  const ephemeral = listOf(podSpec.volumes).flatMap(({ name, ephemeral }) => {
    const template = fieldsOf(ephemeral).volumeClaimTemplate;
    return template === undefined ? [] : [{ name: String(name), template: fieldsOf(template) }];
  });
  const templates = kind === "StatefulSet"
    ? listOf(fieldsOf(spec).volumeClaimTemplates).map((template) => ({
      name: String(fieldsOf(template.metadata).name),
      template,
    }))
    : [];
  return [...templates, ...ephemeral].map(({ name, template }) => {
    const { labels, annotations } = fieldsOf(template.metadata);
    return {
      name,
      claim: {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: {
          generateName: prefixOf(`${name}-${owner ?? ""}`),
          ...(labels ? { labels } : {}),
          ...(annotations ? { annotations } : {}),
        },
        spec: fieldsOf(template.spec),
      },
    };
  });
}

/** Returns a workload that needs no pods, and the function that gives the API server's answer its pods back. */
export function withoutPods(
  body: unknown,
  live: unknown,
): { body: unknown; restored: (answer: unknown) => unknown } | undefined {
  const { kind } = fieldsOf(live ?? body);
  const spec = fieldsOf(fieldsOf(body).spec);
  const liveSpec = fieldsOf(fieldsOf(live).spec);
  const [field, none, byDefault] = kind === "Job" || kind === "CronJob"
    ? ["suspend", true, false] as const
    : ["Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"].includes(String(kind))
    ? ["replicas", 0, 1] as const
    : [undefined, undefined, undefined] as const;
  if (field === undefined) return undefined;
  const wanted = Object.hasOwn(spec, field) ? spec[field] ?? byDefault : liveSpec[field] ?? byDefault;
  const put = (object: unknown, value: unknown) => ({
    ...fieldsOf(object),
    spec: { ...fieldsOf(fieldsOf(object).spec), [field]: value },
  });
  return { body: put(body, none), restored: (answer) => put(answer, wanted) };
}
