/**
 * A client of tailscaled's LocalAPI: the nodes of the tailnet, the node behind an address, and notifications of
 * changes.
 *
 * ```ts
 * import { LocalApiError, LocalClient } from "./mod.ts";
 *
 * using client = new LocalClient({ socket: "/nonexistent/tailscaled.sock" });
 * try {
 *   const { Self } = await client.status();
 *   console.log(Self?.DNSName);
 * } catch (error) {
 *   if (!(error instanceof LocalApiError) || error.kind !== "NotRunning") throw error;
 *   console.log(error.message);
 * }
 * ```
 *
 * @module
 */
export type { CertificatePair } from "./certificate.ts";
export {
  type CertificateApi,
  CertificateKeeper,
  type CertificateKeeperOptions,
  type KeptCertificate,
} from "./certificate_keeper.ts";
export type { TailnetConnection } from "./dial.ts";
export type { DnsAnswer, DnsResolver, DnsType } from "./dns.ts";
export { dateFrom } from "./instant.ts";
export { LocalApiError, type LocalApiErrorKind } from "./local_api_error.ts";
export {
  type CertificateOptions,
  type DnsOptions,
  type FollowOptions,
  type LocalCallOptions,
  LocalClient,
  type LocalClientOptions,
  type NotifyOptions,
  type PingOptions,
  type SetServeConfigOptions,
  type StatusOptions,
  type WhoIsOptions,
} from "./local_client.ts";
export { type ChangedNode, isHeartbeat, type NodePatch, type Notify, NotifyMask } from "./notify.ts";
export type { PingResult, PingType } from "./ping.ts";
export type { Prefs } from "./prefs.ts";
export type { ServeConfig, TaggedServeConfig } from "./serve_config.ts";
export { parseStatus, type PeerStatus, type TailscaleStatus, type UserProfile } from "./status.ts";
export type { WhoIs, WhoIsHostinfo, WhoIsNode } from "./whois.ts";
