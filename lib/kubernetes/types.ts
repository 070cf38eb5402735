/** Any JSON value. */
export type JSONValue = null | boolean | number | string | JSONValue[] | { [key: string]: JSONValue | undefined };

/** The part of the metadata that this library reads; the generated `ObjectMeta` has all fields. */
export interface Metadata {
  /** Unique within kind and namespace; never changes. */
  name?: string;
  /** Absent on cluster-scoped objects. */
  namespace?: string;
  /** Set by the server and unique: distinguishes an object from a later one of the same name. */
  uid?: string;
  /** Set by the server with each write; grows within one collection (KEP-5504). */
  resourceVersion?: string;
  /** Grows when the desired state changes, not with status or metadata. */
  generation?: number;
  /** RFC 3339, in whole seconds of the server's clock. */
  creationTimestamp?: string;
  /** RFC 3339. Set once deletion is requested: the object exists until its finalizers are removed. */
  deletionTimestamp?: string;
  /** Short texts that selectors match. */
  labels?: Record<string, string>;
  /** Texts that selectors can't match. */
  annotations?: Record<string, string>;
  /** Tasks before a deleted object is removed; each responsible controller removes its entry. */
  finalizers?: string[];
  /** Field managers and their fields. */
  managedFields?: { manager?: string; subresource?: string }[];
}

/** The common part of all Kubernetes objects. Generated types are assignable to it. */
export interface KubernetesObject {
  /** Group and version, such as `apps/v1`; `v1` for core. */
  apiVersion?: string;
  /** Singular in CamelCase, such as `ResourceQuota`. */
  kind?: string;
  /** Present on every stored object. */
  metadata?: Metadata;
}

/** An object as stored by a server, which always has these fields. */
export type Stored<T extends KubernetesObject = KubernetesObject> = T & {
  metadata: NonNullable<T["metadata"]> & { name: string; uid: string };
};

/** A served resource type: its parts of a URL, with the type of its objects in `T`. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  /** API group, `""` for core. */
  readonly group: string;
  /** Version within the group, such as `v1`. */
  readonly version: string;
  /** Kind of one object, such as `ResourceQuota`. */
  readonly kind: string;
  /** Plural name in URLs, such as `resourcequotas`. */
  readonly plural: string;
  /** True if objects belong to a namespace. */
  readonly namespaced: boolean;
  /** Never present; carries `T` through inference. */
  readonly object?: T;
}

/** One HTTP exchange with an API server. */
export interface RequestOptions {
  /** `POST` creates, `PUT` replaces, `PATCH` patches or applies. */
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute path below the server, such as `/api/v1/namespaces`. Segments are already encoded. */
  path: string;
  /** Query of the URL; absent or empty: none. */
  querystring?: URLSearchParams | undefined;
  /** Sent as JSON; absent: no body. */
  bodyJson?: unknown | undefined;
  /** Default: `application/json` if there is a body. */
  contentType?: string | undefined;
  /** Requested media type (default `application/json`). With a type other than JSON the result is a string. */
  accept?: string | undefined;
  /** Aborts the exchange; the call rejects with the signal's reason. */
  abortSignal?: AbortSignal | undefined;
  /** Deadline of a unary call in milliseconds (default: the client's own, 30 s). Streams have none. */
  timeoutMs?: number | undefined;
  /** Maximum size of the response to a unary call, in bytes (default: the client's own, 32 MiB). */
  maxBytes?: number | undefined;
  /** Called for each warning of the response (header `Warning`), as kubectl prints them; must not throw. */
  onWarning?: ((text: string) => void) | undefined;
}

/**
 * The transport of every client in this library. It has the shape of `@cloudydeno/kubernetes-apis`, so that generated
 * clients and wrappers (fencing by a Lease, counting, fault injection) compose.
 *
 * Rejects with {@linkcode ApiError} for a response other than 2xx, with the abort reason if aborted, with a
 * `TimeoutError` DOMException at the deadline, with `AnswerTooLarge` above `maxBytes`, and with `ConnectionError`
 * without a response.
 */
export interface RestClient {
  /** The namespace of the kubeconfig's context (or the pod's service account). */
  readonly defaultNamespace?: string | undefined;
  /** Performs a unary exchange and resolves to the parsed JSON body. */
  performRequest(options: RequestOptions): Promise<JSONValue>;
  /** Performs a streaming exchange (watch, logs) and resolves, once the headers are read, to the raw body. */
  performStream(options: RequestOptions): Promise<ReadableStream<Uint8Array>>;
}
