/** An API server over a {@linkcode World}, with the requests and responses of the operator's client. */
import { ApiError, type JSONValue, type RequestOptions } from "../../lib/kubernetes/mod.ts";
import { trustedNodeAnnotation } from "../../src/api/mod.ts";
import {
  type ApiAnswer,
  isMade,
  simulatedKeyOf,
  type SimulatedKind,
  type Stated,
  type World,
} from "./simulated_world.ts";

const kinds: Readonly<Record<string, SimulatedKind>> = {
  grants: "grants",
  realms: "realms",
  superentities: "superEntities",
  namespaces: "namespaces",
  resourcequotas: "quotas",
  limitranges: "limitRanges",
  serviceaccounts: "serviceAccounts",
  rolebindings: "bindings",
  configmaps: "guides",
  networkpolicies: "policies",
  pods: "pods",
  persistentvolumeclaims: "claims",
  clusterroles: "clusterRoles",
  clusterrolebindings: "clusterBindings",
  flowschemas: "flowSchemas",
};

/** Kinds that have no objects here. */
const empty = new Set(["services", "volumesnapshots"]);

/** The object of a request. */
export interface Target {
  plural: string;
  /** Absent for kinds that have no objects here. */
  kind?: SimulatedKind;
  namespace?: string;
  /** Absent for a whole collection. */
  name?: string;
  subresource?: string;
}

/** Parses the path of a request, once. */
export function targetOf(request: RequestOptions): Target {
  const known = targets.get(request);
  if (known) return known;
  const target = parseTarget(request.path);
  targets.set(request, target);
  return target;
}

const targets = new WeakMap<RequestOptions, Target>();

function parseTarget(path: string): Target {
  const [, root, ...parts] = path.split("/");
  const rest = parts.slice(root === "api" ? 1 : 2);
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest[1]! : undefined;
  const [plural, name, subresource] = namespace === undefined ? rest : rest.slice(2);
  const kind = kinds[plural!];
  if (kind === undefined && !empty.has(plural!)) throw new Error(`${path} isn't served here`);
  return {
    plural: plural!,
    ...(kind === undefined ? {} : { kind }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}

/** Describes a request in a few words, for traces. */
export function eventText(request: RequestOptions): string {
  const { method, contentType, bodyJson } = request;
  const { kind, plural, namespace, name, subresource } = targetOf(request);
  const { metadata, status } = (bodyJson ?? {}) as { metadata?: { name?: string }; status?: Record<string, unknown> };
  const key = simulatedKeyOf(namespace, name ?? metadata?.name ?? "");
  const what = `${kind ?? plural} ${key}`;
  if (subresource === "eviction") return `evict ${key}`;
  if (subresource === "status") return `status ${what} ${newsOf(status ?? {})}`;
  if (method === "GET") return `list ${what}`;
  if (method === "DELETE") return `delete ${what}`;
  if (method === "POST") return `create ${what}`;
  return `${contentType?.includes("merge") ? "patch" : "apply"} ${what}`;
}

/** Summarizes a status in one line. */
function newsOf({ phase, connectionState, conditions }: Record<string, unknown>): string {
  const ready = (conditions as { type: string; reason: string }[] | undefined)?.find(({ type }) => type === "Ready");
  return [phase ?? connectionState, ready?.reason].filter(Boolean).join(" ");
}

/** Performs requests of the operator. */
export class ApiServer {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Performs a request. Returns the response body; throws the error that the operator's client would throw. */
  perform(request: RequestOptions): JSONValue {
    const target = targetOf(request);
    if (request.method === "GET") return this.#list(target);
    const answer = this.#write(request, target);
    if ("error" in answer) throw errorOf(answer, request);
    // A copy, because clients write into responses.
    return answer.ok && { ...answer.ok } as unknown as JSONValue;
  }

  #list({ kind, namespace }: Target): JSONValue {
    const items = kind === undefined ? [] : this.#world.within(kind, namespace!).map((object) => ({ ...object }));
    return { metadata: { resourceVersion: String(this.#world.version) }, items } as unknown as JSONValue;
  }

  #write(request: RequestOptions, { kind, plural, namespace, name, subresource }: Target): ApiAnswer {
    const world = this.#world;
    const body = (request.bodyJson ?? {}) as Body;
    if (kind === undefined) return { error: 404, why: `${plural} "${name}" not found` };
    const key = simulatedKeyOf(namespace, name ?? body.metadata?.name ?? "");
    if (subresource === "eviction") {
      const { preconditions, gracePeriodSeconds } = body.deleteOptions!;
      return world.evict(key, preconditions!.uid, gracePeriodSeconds!);
    }
    const refused = (namespace === undefined ? undefined : this.#fence(namespace)) ??
      // Of a Grant only the status is refused, because its controller writes it again and again.
      (kind === "grants" && subresource !== "status" ? undefined : world.refuses(kind, key));
    if (refused) return refused;
    if (request.method === "DELETE") {
      return world.delete(kind, key, body.preconditions?.uid, "operator", body.gracePeriodSeconds);
    }
    if (request.method === "POST") return world.create(kind, body as Stated, "operator");
    const merge = request.contentType === "application/merge-patch+json";
    return merge ? this.#merge(kind, key, body) : this.#apply(kind, key, body, subresource);
  }

  #merge(kind: SimulatedKind, key: string, { metadata }: Body): ApiAnswer {
    const { uid, labels, annotations, resourceVersion } = metadata!;
    switch (kind) {
      case "namespaces":
        return this.#world.patch(key, uid!, labels ?? {}, annotations ?? {});
      case "grants":
      case "superEntities":
        return this.#world.removeFinalizer(key, uid!, resourceVersion!, kind);
      default:
        throw new Error(`The operator never patches ${kind}`);
    }
  }

  #apply(kind: SimulatedKind, key: string, body: Body, subresource: string | undefined): ApiAnswer {
    const { uid, annotations, finalizers } = body.metadata!;
    if (kind !== "grants" && kind !== "realms" && kind !== "superEntities") {
      return this.#world.apply(kind, withoutUid(body), uid);
    }
    if (subresource === "status") return this.#world.applyStatus(kind, key, uid!, asSent(body.status));
    if (kind === "realms") {
      return this.#world.applyPin(key, uid!, trustedNodeAnnotation, annotations![trustedNodeAnnotation]!);
    }
    if (!finalizers) throw new Error(`The operator never applies ${kind} ${key} without a finalizer`);
    return this.#world.addFinalizer(key, uid!, kind);
  }

  /** The admission policy on the operator: it may write only in namespaces that it has created. */
  #fence(namespace: string): ApiAnswer | undefined {
    const home = this.#world.get("namespaces", namespace);
    if (!home || isMade(home)) return undefined;
    return {
      error: 403,
      why:
        `ValidatingAdmissionPolicy 'keystone-operator' denied request: ${namespace} is not a guest namespace of Keystone`,
    };
  }
}

interface Body {
  metadata?: {
    name?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string | null>;
    annotations?: Record<string, string | null>;
    finalizers?: string[];
  };
  status?: unknown;
  preconditions?: { uid: string };
  gracePeriodSeconds?: number;
  deleteOptions?: { gracePeriodSeconds: number; preconditions: { uid: string } };
}

function withoutUid({ metadata, ...rest }: Body): Stated {
  const { uid: _, ...others } = metadata!;
  return { ...rest, metadata: others } as Stated;
}

const errorOf = (
  { error, why, details }: Extract<ApiAnswer, { error: number }>,
  { method, path }: RequestOptions,
): ApiError => new ApiError(why, { code: error, reason: "", method, path, ...(details ? { details } : {}) });

/** Returns the value as JSON transports it: without unset fields. */
function asSent(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asSent);
  if (typeof value !== "object" || value === null) return value;
  const sent: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) if (each !== undefined) sent[key] = asSent(each);
  return sent;
}
