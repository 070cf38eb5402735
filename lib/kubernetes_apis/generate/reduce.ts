import { type Group, sharedTypes, typeOfSchema } from "./groups.ts";
import { type Document, references, type Schema } from "./openapi.ts";

/**
 * Returns the documents to commit, by group, with the shared one under `undefined`: of the served API, the groups'
 * kinds, the schemas that they use, and of each operation only its action and kind. Keys are sorted, so that a diff
 * after a new version of the API server shows only its changes. Throws if a kind is missing.
 */
export function reduce(groups: readonly Group[], served: readonly Document[]): Map<Group | undefined, Document> {
  const schemas = new Map(served.flatMap(({ components }) => Object.entries(components.schemas)));
  const roots = groups.flatMap(({ schemas, kinds }) => kinds.map((kind) => `${schemas}.${kind}`));
  const byGroup = Map.groupBy(
    reach(schemas, [...roots, ...sharedTypes]),
    (name) => typeOfSchema(groups, name).group,
  );
  const { openapi, info: { title, version } } = served[0]!;
  return new Map([undefined, ...groups].map((group) => {
    const own = (byGroup.get(group) ?? []).map((name) => [name, onlyTypes(schemas.get(name)!)]);
    const paths = group ? pathsOf(group, served) : {};
    return [
      group,
      sorted({ openapi, info: { title, version }, paths, components: { schemas: Object.fromEntries(own) } }),
    ];
  }));
}

function reach(schemas: ReadonlyMap<string, Schema>, roots: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const add = (name: string) => {
    if (reached.has(name)) return;
    const schema = schemas.get(name);
    if (!schema) throw new Error(`The API server has no schema ${name}: apply crds first, and see groups.ts.`);
    reached.add(name);
    for (const next of references(schema)) add(next);
  };
  for (const root of roots) add(root);
  return reached;
}

/** Keeps only the keywords that determine the type: defaults, limits and rules concern the API server only. */
function onlyTypes(schema: Schema): Schema {
  const { properties, additionalProperties, items, allOf, oneOf, anyOf } = schema;
  return {
    description: schema.description,
    type: schema.type,
    format: schema.format,
    nullable: schema.nullable,
    enum: schema.enum,
    required: schema.required?.toSorted(),
    properties: properties &&
      Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, onlyTypes(part)])),
    additionalProperties: typeof additionalProperties === "object"
      ? onlyTypes(additionalProperties)
      : additionalProperties,
    items: items && onlyTypes(items),
    allOf: allOf?.map(onlyTypes),
    oneOf: oneOf?.map(onlyTypes),
    anyOf: anyOf?.map(onlyTypes),
    $ref: schema.$ref,
    "x-kubernetes-int-or-string": schema["x-kubernetes-int-or-string"],
    "x-kubernetes-preserve-unknown-fields": schema["x-kubernetes-preserve-unknown-fields"],
  };
}

function pathsOf({ group, version, kinds }: Group, served: readonly Document[]): Document["paths"] {
  const paths: Document["paths"] = {};
  for (const [path, operations] of served.flatMap((document) => Object.entries(document.paths))) {
    // Deprecated since 1.11: a watch is a list with a parameter.
    if (path.includes(`/${version}/watch/`)) continue;
    for (const [method, operation] of Object.entries(operations)) {
      const action = operation["x-kubernetes-action"];
      const of = operation["x-kubernetes-group-version-kind"];
      if (!action || of?.group !== group || of.version !== version || !kinds.includes(of.kind)) continue;
      (paths[path] ??= {})[method] = { "x-kubernetes-action": action, "x-kubernetes-group-version-kind": of };
    }
  }
  return paths;
}

/** Sorts keys at every level, so that equal documents have equal texts, and drops undefined values. */
function sorted<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sorted) as T;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, inner]) => inner !== undefined).sort(([a], [b]) => a < b ? -1 : 1)
      .map(([key, inner]) => [key, sorted(inner)]),
  ) as T;
}
