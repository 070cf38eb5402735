/** The typed clients of a group: a `ResourceApi` for each kind. */
import type { Group } from "./groups.ts";
import type { SchemaPlace } from "./openapi.ts";

export interface ClientKind {
  kind: string;
  place: SchemaPlace;
}

const lowerFirst = (text: string): string => text[0]!.toLowerCase() + text.slice(1);

/** The plural as Kubernetes writes it in URLs, with the capitals of the kind: `networkPolicies`, `serviceCIDRs`. */
export function constantName({ kind, place: { plural } }: ClientKind): string {
  let same = 0;
  while (same < plural.length && plural[same] === kind[same]?.toLowerCase()) same++;
  return lowerFirst(kind.slice(0, same)) + plural.slice(same);
}

/** The constant that names the resource for generic clients. */
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

/** One line for each kind: what it can do is `ResourceApi`'s. */
function apisOf(kinds: readonly ClientKind[], place: (kind: ClientKind) => string, namespace: string): string {
  return kinds.map((each) => `
  /** The \`${each.place.plural}\`${place(each)}. */
  get ${constantName(each)}(): ResourceApi<${each.kind}> {
    return new ResourceApi(this.#rest, ${constantName(each)}${namespace});
  }`).join("\n");
}

/** The classes of a group: all kinds on the first, namespaced ones in one namespace behind `.namespace(ns)`. */
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
  return `/** The kinds of ${api}; {@linkcode ResourceApi} says what can be done with each. */
export class ${className}Api {
  readonly #rest: RestClient;

  /** Takes what sends the requests; nothing is sent before the first call. */
  constructor(rest: RestClient) {
    this.#rest = rest;
  }
${namespaced.length > 0 ? namespace : ""}${
    apisOf(kinds, ({ place }) => place.namespaced ? " of all namespaces" : "", "")
  }
}
${namespaced.length > 0 ? inNamespace : ""}`;
}
