/**
 * Parts of a Kubernetes controller: a {@linkcode Reflector} keeps a {@linkcode Store} equal to a collection, its
 * changes add keys to a {@linkcode WorkQueue}, and {@linkcode runController} reconciles them.
 *
 * @module
 */
export type { RandomSource } from "./backoff.ts";
export type { Listener } from "./change_feed.ts";
export {
  classifyError,
  type ControllerOptions,
  type ErrorKind,
  type Next,
  type ReconcileFailure,
  type ReconcileRecord,
  runController,
  TerminalError,
} from "./controller.ts";
export { type ListWatch, type PageSize, Reflector, type ReflectorOptions, type Selector } from "./reflector.ts";
export { compareResourceVersions, isNewer } from "./resource_version.ts";
export {
  type Identity,
  keyOf,
  type Listing,
  Store,
  type StoreChange,
  type StoreOptions,
  type Unreadable,
} from "./store.ts";
export { type AddOptions, type RetryOptions, WorkQueue, type WorkQueueOptions } from "./work_queue.ts";
