/** Any value that JSON can carry. */
export type JSONValue = null | boolean | number | string | JSONValue[] | { [key: string]: JSONValue | undefined };

/** The metadata that this library itself reads; the generated `ObjectMeta` has all of it. */
export interface Metadata {
  name?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
}

/** What every Kubernetes object has. Generated types are assignable to it. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata?: Metadata;
}

/** One served resource type: what a URL needs to name it, with the type of its objects in `T`. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  /** API group, `""` for core. */
  readonly group: string;
  /** Version within the group, such as `v1`. */
  readonly version: string;
  /** Kind of one object, such as `ResourceQuota`. */
  readonly kind: string;
  /** Plural name in URLs, such as `resourcequotas`. */
  readonly plural: string;
  /** Whether objects live in a namespace. */
  readonly namespaced: boolean;
  /** Never present; carries `T` through inference. */
  readonly object?: T;
}

/** One HTTP exchange with an API server. */
export interface RequestOptions {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute path below the server, such as `/api/v1/namespaces`. Segments are already encoded. */
  path: string;
  querystring?: URLSearchParams;
  bodyJson?: unknown;
  /** Defaults to `application/json` when there is a body. */
  contentType?: string;
  accept?: string;
  /** Ends the exchange early; the call rejects with the signal's reason. */
  abortSignal?: AbortSignal;
  /** Deadline of a unary call in milliseconds (default: the client's own, 30 s). Streams have none. */
  timeoutMs?: number;
}

/**
 * The transport that every client of this library is built on: the shape of `@cloudydeno/kubernetes-apis`,
 * so that generated clients and wrappers (fencing by a lease, counting, fault injection) compose.
 *
 * Rejects with {@linkcode ApiError} for an answer that is not 2xx, with the abort reason when aborted, with a
 * `TimeoutError` DOMException at the deadline, and with `ConnectionError` when no answer came at all.
 */
export interface RestClient {
  /** The namespace that the kubeconfig's context (or the pod's service account) names. */
  readonly defaultNamespace?: string;
  /** Performs a unary exchange and resolves to the parsed JSON body. */
  performRequest(options: RequestOptions): Promise<JSONValue>;
  /** Performs a streaming exchange (watch, logs) and resolves, once the headers are in, to the raw body. */
  performStream(options: RequestOptions): Promise<ReadableStream<Uint8Array>>;
}
