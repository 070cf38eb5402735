/**
 * The patch of `kubectl apply`: sets the fields of the manifest and removes those that the last manifest had and this
 * one has not; all other fields keep their live values. Sources: CreateThreeWayMergePatch in
 * k8s.io/apimachinery; merge keys are from the types' patchMergeKey tags.
 */
type Fields = { [key: string]: unknown };

export const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";

/** Merge keys of lists by field name; the first that an item has. Other lists are replaced as a whole. */
const mergeKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ["name"],
  initContainers: ["name"],
  ephemeralContainers: ["name"],
  env: ["name"],
  volumes: ["name"],
  volumeMounts: ["mountPath"],
  volumeDevices: ["devicePath"],
  imagePullSecrets: ["name"],
  resourceClaims: ["name"],
  schedulingGates: ["name"],
  hostAliases: ["ip"],
  topologySpreadConstraints: ["topologyKey"],
  // Of containers and of Services.
  ports: ["containerPort", "port"],
  secrets: ["name"],
  ownerReferences: ["uid"],
};

/** Fields whose other members go when one is set (patchStrategy `retainKeys`), such as another type of volume. */
const retaining: ReadonlySet<string> = new Set(["strategy", "volumes", "resourceClaims"]);

const isMap = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns the manifest that was applied last, as kubectl has recorded it; undefined if it hasn't. */
export function lastApplied(live: unknown): unknown {
  const metadata = isMap(live) && isMap(live.metadata) ? live.metadata : {};
  const text = isMap(metadata.annotations) ? metadata.annotations[lastAppliedAnnotation] : undefined;
  if (typeof text !== "string") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Returns the strategic merge patch from `live` to the manifest. */
export const strategicPatch = (manifest: unknown, live: unknown): Fields =>
  patchOf(manifest as Fields, live as Fields, lastApplied(live), true);

/** Returns the JSON merge patch, for kinds of CustomResourceDefinitions: it replaces lists. */
export const mergePatch = (manifest: unknown, live: unknown): Fields =>
  patchOf(manifest as Fields, live as Fields, lastApplied(live), false);

function patchOf(now: Fields, live: Fields, before: unknown, strategic: boolean): Fields {
  const patch: Fields = {};
  for (const [key, value] of Object.entries(now)) {
    const there = live[key];
    const earlier = isMap(before) ? before[key] : undefined;
    if (isMap(value) && isMap(there)) {
      patch[key] = patchOf(value, there, earlier, strategic);
      if (strategic && retaining.has(key)) (patch[key] as Fields).$retainKeys = Object.keys(value);
    } else if (strategic && Array.isArray(value) && Array.isArray(there) && key in mergeKeys) {
      Object.assign(patch, listPatch(key, value, there, Array.isArray(earlier) ? earlier : []));
    } else {
      patch[key] = value;
    }
  }
  if (isMap(before)) {
    for (const key of Object.keys(before)) if (!Object.hasOwn(now, key) && Object.hasOwn(live, key)) patch[key] = null;
  }
  return patch;
}

function listPatch(field: string, now: unknown[], live: unknown[], before: unknown[]): Fields {
  const mergeKey = mergeKeys[field]!.find((key) => [...now, ...live].every((item) => isMap(item) && key in item));
  if (mergeKey === undefined || live.length === 0) return { [field]: now };
  const find = (list: unknown[], value: unknown) =>
    list.find((item): item is Fields => isMap(item) && item[mergeKey] === value);
  const items = (now as Fields[]).map((item) => {
    const there = find(live, item[mergeKey]);
    if (!there) return item;
    return {
      ...patchOf(item, there, find(before, item[mergeKey]), true),
      ...(retaining.has(field) ? { $retainKeys: Object.keys(item) } : {}),
    };
  });
  const gone = before.filter((item): item is Fields =>
    isMap(item) && find(now, item[mergeKey]) === undefined && find(live, item[mergeKey]) !== undefined
  ).map((item) => ({ $patch: "delete", [mergeKey]: item[mergeKey] }));
  return {
    [field]: [...items, ...gone],
    [`$setElementOrder/${field}`]: (now as Fields[]).map((item) => ({ [mergeKey]: item[mergeKey] })),
  };
}

/** Returns the object with the manifest's fields, when the API server can't be asked to merge them. */
export function merged(manifest: unknown, live: unknown): unknown {
  if (!isMap(manifest) || !isMap(live)) return manifest;
  const out: Fields = { ...live };
  for (const [key, value] of Object.entries(manifest)) out[key] = merged(value, live[key]);
  return out;
}
