/** Any value that JSON can carry. */
export type JSONValue = null | boolean | number | string | JSONValue[] | { [key: string]: JSONValue | undefined };

/** The metadata that this library itself reads; the generated `ObjectMeta` has all of it. */
export interface Metadata {
  /** Unique within kind and namespace; never changes. */
  name?: string;
  /** Absent on cluster-scoped objects. */
  namespace?: string;
  /** Given by the server, never twice: tells an object from a later one of the same name. */
  uid?: string;
  /** Given by the server with each write; grows within one collection (KEP-5504). */
  resourceVersion?: string;
  /** Grows when the desired state changes, not with status or metadata. */
  generation?: number;
  /** RFC 3339, in whole seconds of the server's clock. */
  creationTimestamp?: string;
  /** RFC 3339. Present once deletion was asked for: the object goes when its finalizers have. */
  deletionTimestamp?: string;
  /** Short texts that selectors find objects by. */
  labels?: Record<string, string>;
  /** Texts of any kind that nothing selects by. */
  annotations?: Record<string, string>;
  /** What has to be done before a deleted object goes; whoever did it takes its entry out. */
  finalizers?: string[];
  /** Who has written which fields, and how. */
  managedFields?: { manager?: string; subresource?: string }[];
}

/** What every Kubernetes object has. Generated types are assignable to it. */
export interface KubernetesObject {
  /** Group and version, such as `apps/v1`; `v1` for core. */
  apiVersion?: string;
  /** In CamelCase and the singular, such as `ResourceQuota`. */
  kind?: string;
  /** On every object that a server has stored. */
  metadata?: Metadata;
}

/** An object as a server has stored it: whatever was sent, it has these. */
export type Stored<T extends KubernetesObject = KubernetesObject> = T & {
  metadata: NonNullable<T["metadata"]> & { name: string; uid: string };
};

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
  /** `POST` creates, `PUT` replaces, `PATCH` patches or applies. */
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute path below the server, such as `/api/v1/namespaces`. Segments are already encoded. */
  path: string;
  /** What follows `?` in the URL; left out or empty: nothing. */
  querystring?: URLSearchParams | undefined;
  /** Sent as JSON; left out: no body. */
  bodyJson?: unknown | undefined;
  /** Defaults to `application/json` when there is a body. */
  contentType?: string | undefined;
  /** Media type to be answered in (default `application/json`). Another than JSON makes the result a string. */
  accept?: string | undefined;
  /** Ends the exchange early; the call rejects with the signal's reason. */
  abortSignal?: AbortSignal | undefined;
  /** Deadline of a unary call in milliseconds (default: the client's own, 30 s). Streams have none. */
  timeoutMs?: number | undefined;
  /** Size up to which the answer to a unary call is read, in bytes (default: the client's own, 32 MiB). */
  maxBytes?: number | undefined;
}

/**
 * The transport that every client of this library is built on: the shape of `@cloudydeno/kubernetes-apis`,
 * so that generated clients and wrappers (fencing by a lease, counting, fault injection) compose.
 *
 * Rejects with {@linkcode ApiError} for an answer that is not 2xx, with the abort reason when aborted, with a
 * `TimeoutError` DOMException at the deadline, with `AnswerTooLarge` above `maxBytes`, and with `ConnectionError` when no
 * answer came at all.
 */
export interface RestClient {
  /** The namespace that the kubeconfig's context (or the pod's service account) names. */
  readonly defaultNamespace?: string | undefined;
  /** Performs a unary exchange and resolves to the parsed JSON body. */
  performRequest(options: RequestOptions): Promise<JSONValue>;
  /** Performs a streaming exchange (watch, logs) and resolves, once the headers are in, to the raw body. */
  performStream(options: RequestOptions): Promise<ReadableStream<Uint8Array>>;
}
