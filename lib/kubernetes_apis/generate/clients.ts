/** The typed clients of a group: one line for each call, all of them `ResourceApi`'s. */
import type { Group } from "./groups.ts";
import type { Place } from "./openapi.ts";

export interface Kind {
  kind: string;
  place: Place;
}

const lowerFirst = (text: string): string => text[0]!.toLowerCase() + text.slice(1);

/** The plural as Kubernetes writes it in URLs, with the capitals of the kind: `networkPolicies`, `serviceCIDRs`. */
export function constantName({ kind, place: { plural } }: Kind): string {
  let same = 0;
  while (same < plural.length && plural[same] === kind[same]?.toLowerCase()) same++;
  return lowerFirst(kind.slice(0, same)) + plural.slice(same);
}

/** The constant that names the resource for generic clients. */
export function constantOf({ group, version }: Group, each: Kind): string {
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

function methods(each: Kind, scope: string): string {
  const { kind, place } = each;
  const api = `${scope}${constantName(each)})`;
  const status = `
  /** As \`patch${kind}\`, but of the status: the spec stays as it is. */
  patch${kind}Status(name: string, body: unknown, options: PatchOptions): Promise<${kind}> {
    return ${api}.patch(name, body, { ...options, subresource: "status" });
  }
  /** As \`apply${kind}\`, but of the status: the spec stays as it is, and the object must exist. */
  apply${kind}Status(body: Applied<${kind}>, options: ApplyOptions): Promise<${kind}> {
    return ${api}.applyStatus(body, options);
  }`;
  return `
  /** One page of the collection: all of it, unless \`limit\` is given. */
  get${kind}List(options?: ListOptions): Promise<ObjectList<${kind}>> {
    return ${api}.list(options);
  }
  /** What changes after \`resourceVersion\`, until the server ends the connection. */
  watch${kind}List(options: WatchOptions): AsyncGenerator<WatchEvent<${kind}>> {
    return ${api}.watch(options);
  }
  /** The object as it is now; 404 \`NotFound\` when there is none. */
  get${kind}(name: string, options?: CallOptions): Promise<${kind}> {
    return ${api}.get(name, options);
  }
  /** Resolves to the object as the server keeps it; 409 \`AlreadyExists\` when the name is taken. */
  create${kind}(body: ${kind}, options?: WriteOptions): Promise<${kind}> {
    return ${api}.create(body, options);
  }
  /** Writes the whole object; 409 \`Conflict\` when its \`resourceVersion\` is given and out of date. */
  replace${kind}(body: ${kind}, options?: WriteOptions): Promise<${kind}> {
    return ${api}.replace(body, options);
  }
  /** Server-side apply of the fields in \`body\`; creates the object when there is none. */
  apply${kind}(body: Applied<${kind}>, options: ApplyOptions): Promise<${kind}> {
    return ${api}.apply(body, options);
  }
  /** Changes parts of the object; \`options.type\` says how \`body\` is meant. */
  patch${kind}(name: string, body: unknown, options: PatchOptions): Promise<${kind}> {
    return ${api}.patch(name, body, options);
  }
  /** Asks for the deletion; the object is there until its finalizers are gone. */
  delete${kind}(name: string, options?: DeleteOptions): Promise<void> {
    return ${api}.delete(name, options);
  }${place.status ? status : ""}`;
}

/** The classes of a group: cluster-scoped kinds on the first, namespaced ones behind `.namespace(ns)`. */
export function classesOf({ group, version, className }: Group, kinds: readonly Kind[]): string {
  const namespaced = kinds.filter(({ place }) => place.namespaced);
  const cluster = kinds.filter(({ place }) => !place.namespaced);
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

  #api<T extends KubernetesObject>(resource: Resource<T>): ResourceApi<T> {
    return new ResourceApi(this.#rest, resource, this.#namespace);
  }
${namespaced.map((each) => methods(each, "this.#api(")).join("\n")}
}
`;
  const all = namespaced.map((each) => {
    return `
  /** Of all namespaces. */
  get${each.kind}ListForAllNamespaces(options?: ListOptions): Promise<ObjectList<${each.kind}>> {
    return this.#api(${constantName(each)}).list(options);
  }
  /** Of all namespaces. */
  watch${each.kind}ListForAllNamespaces(options: WatchOptions): AsyncGenerator<WatchEvent<${each.kind}>> {
    return this.#api(${constantName(each)}).watch(options);
  }`;
  });
  return `/** The kinds of ${api}. Errors are those of {@linkcode ResourceApi}. */
export class ${className}Api {
  readonly #rest: RestClient;

  /** Takes what sends the requests; nothing is sent before the first call. */
  constructor(rest: RestClient) {
    this.#rest = rest;
  }

  #api<T extends KubernetesObject>(resource: Resource<T>): ResourceApi<T> {
    return new ResourceApi(this.#rest, resource);
  }
${
    namespaced.length > 0
      ? `
  /** The namespaced kinds in one namespace. */
  namespace(name: string): ${className}NamespacedApi {
    return new ${className}NamespacedApi(this.#rest, name);
  }
`
      : ""
  }${[...cluster.map((each) => methods(each, "this.#api(")), ...all].join("\n")}
}
${namespaced.length > 0 ? inNamespace : ""}`;
}
