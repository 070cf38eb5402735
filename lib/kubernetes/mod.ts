/**
 * A Kubernetes client for Deno: configuration, transport, typed access to resources, events and leader election.
 *
 * @module
 */
export {
  type ClientCertificate,
  type ClientConfig,
  type ConfigEnvironment,
  ConfigError,
  type Credentials,
  type CredentialSource,
  type RunCommand,
} from "./client_config.ts";
export { type ClosableRestClient, createRestClient, type RequestRecord, type RestClientOptions } from "./client.ts";
export {
  AnswerTooLarge,
  ApiError,
  ConnectionError,
  isApiError,
  isStorageFull,
  type StatusCause,
  type StatusDetails,
  WatchStalled,
} from "./errors.ts";
export {
  type EventFacts,
  EventRecorder,
  type EventRecorderOptions,
  type ObjectReference,
  objectReference,
} from "./events.ts";
export { defaultConfig, inClusterConfig } from "./in_cluster.ts";
export { LineSplitter } from "./json_lines.ts";
export { lineCounter } from "./line_counter.ts";
export { Kubeconfig, type KubeconfigOverrides, kubeconfigPaths, type LoadKubeconfigOptions } from "./kubeconfig.ts";
export {
  type DuplicateKey,
  type KubernetesYaml,
  KubernetesYamlError,
  LOSES_DIGITS,
  readKubernetesYaml,
} from "./kubernetes_yaml.ts";
export { fenced, type Lease, LeaseHolder, type LeaseHolderOptions, leaseIdentity, NotLeader } from "./lease.ts";
export {
  type ApplyConfiguration,
  type ApplyOptions,
  type CallOptions,
  type DeleteOptions,
  type ListOptions,
  type ObjectList,
  type PatchOptions,
  ResourceApi,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from "./resource_api.ts";
export type { JSONValue, KubernetesObject, Metadata, RequestOptions, Resource, RestClient, Stored } from "./types.ts";
export { MAX_SKEW_MS, ServerTime } from "./server_time.ts";
