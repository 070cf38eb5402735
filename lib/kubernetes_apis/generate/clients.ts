/** The typed clients of a group: a `ResourceApi` for each kind. */
import type { Group } from "./groups.ts";
import type { SchemaPlace } from "./openapi.ts";

export interface ClientKind {
  kind: string;
  place: SchemaPlace;
}

const lowerFirst = (text: string): string => text[0]!.toLowerCase() + text.slice(1);

/** Returns the plural as in URLs, with the capitals of the kind: `networkPolicies`, `serviceCIDRs`. */
export function constantName({ kind, place: { plural } }: ClientKind): string {
  let same = 0;
  while (same < plural.length && plural[same] === kind[same]?.toLowerCase()) same++;
  return lowerFirst(kind.slice(0, same)) + plural.slice(same);
}

/** Returns the constant of the resource for generic clients. */
export function constantOf({ group, version }: Group, each: ClientKind): string {
  const { kind, place: { plural, namespaced } } = each;
  return `/** The resource \`${plural}${group ? `.${group}` : ""}\`. */
export const ${constantName(each)}: Resource<${kind}> = {
  group: ${JSON.stringify(group)},
  version: ${JSON.stringify(version)},
  kind: ${JSON.stringify(kind)},
  plural: ${JSON.stringify(plural)},
  namespaced: ${namespaced},
};
`;
}

/** Returns one accessor for each kind; its methods are those of `ResourceApi`. */
function apisOf(kinds: readonly ClientKind[], place: (kind: ClientKind) => string, namespace: string): string {
  return kinds.map((each) => `
  /** The \`${each.place.plural}\`${place(each)}. */
  get ${constantName(each)}(): ResourceApi<${each.kind}> {
    return new ResourceApi(this.#rest, ${constantName(each)}${namespace});
  }`).join("\n");
}

/**
 * Returns the classes of a group: the first has all kinds, and `.namespace(ns)` the namespaced ones in one namespace.
 */
export function classesOf({ group, version, className }: Group, kinds: readonly ClientKind[]): string {
  const namespaced = kinds.filter(({ place }) => place.namespaced);
  const api = `${group || "core"}/${version}`;
  const inNamespace = `
/** The namespaced kinds of ${api} in one namespace. */
export class ${className}NamespacedApi {
  readonly #rest: RestClient;
  readonly #namespace: string;

  /** A namespace that can't be part of a path makes every call throw \`TypeError\`. */
  constructor(rest: RestClient, namespace: string) {
    this.#rest = rest;
    this.#namespace = namespace;
  }
${apisOf(namespaced, () => " of the namespace", ", this.#namespace")}
}
`;
  const namespace = `
  /** The namespaced kinds in one namespace. */
  namespace(name: string): ${className}NamespacedApi {
    return new ${className}NamespacedApi(this.#rest, name);
  }
`;
  return `/** Clients of the kinds of ${api}; {@linkcode ResourceApi} has their methods. */
export class ${className}Api {
  readonly #rest: RestClient;

  /** Takes the transport; nothing is sent before the first call. */
  constructor(rest: RestClient) {
    this.#rest = rest;
  }
${namespaced.length > 0 ? namespace : ""}${
    apisOf(kinds, ({ place }) => place.namespaced ? " of all namespaces" : "", "")
  }
}
${namespaced.length > 0 ? inNamespace : ""}`;
}
