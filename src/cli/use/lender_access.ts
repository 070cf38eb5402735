/** The answer of a tailnet server to the question who the caller is: `GET /k8s`. */
import { z } from "zod";
import { type ClientConfig, createRestClient, type CredentialSource } from "../../../lib/kubernetes/mod.ts";
import { version } from "../../version.ts";
import { Exit, exitCodes } from "../exit.ts";
import type { ForwarderKeys } from "./forwarder_keys.ts";

/** A realm that the caller acts for. */
export interface RealmAccess {
  realm: string;
  namespace: string;
  /** Path of the API server as that realm. */
  path: string;
  /** RFC 3339; absent if the grants have no end. */
  ends?: string | undefined;
  /** False if no grant is in force. */
  access: boolean;
  /** Sentence with the reason for that. */
  message?: string | undefined;
}

/** Answer of a tailnet server. */
export interface AccessAnswer {
  /** Name of the lender's realm; empty if the server doesn't know it. */
  lender: string;
  realms: readonly RealmAccess[];
}

const name = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
const accessSchema = z.looseObject({
  kind: z.literal("TailnetAccess"),
  lender: name.or(z.literal("")).nullish().transform((value) => value ?? ""),
  realms: z.array(z.looseObject({
    realm: name,
    namespace: name,
    path: z.string().regex(/^\/k8s\/[a-z0-9.-]+$/),
    ends: z.iso.datetime({ offset: true }).nullish().transform((value) => value ?? undefined),
    access: z.boolean().nullish().transform((value) => value ?? true),
    message: z.string().max(1000).nullish().transform((value) => value ?? undefined),
  })).max(1000),
});

/** Connection to a tailnet server: the fields of a kubeconfig's cluster and user. */
export type ServerConnection = Pick<ClientConfig, "server"> & Partial<ClientConfig> & {
  /** Through a forwarder: true if the tailnet server has a certificate. */
  upstreamTls?: boolean;
};

/** A client without credentials: the tailnet knows who connects. */
const noCredentials: CredentialSource = { current: () => Promise.resolve({}), renew: () => Promise.resolve(false) };

/** Returns the credentials that open a forwarder. */
export const fixedClientCertificate = (
  { clientCertificate, clientKey }: Pick<ForwarderKeys, "clientCertificate" | "clientKey">,
): CredentialSource => ({
  ...noCredentials,
  current: () => Promise.resolve({ clientCertificate: { certificate: clientCertificate, key: clientKey } }),
});

/** Returns the configuration of a client for a connection. */
const clientConfigOf = ({ upstreamTls: _, ...connection }: ServerConnection): ClientConfig => ({
  source: "keystone use",
  caCerts: undefined,
  proxyUrl: undefined,
  namespace: "default",
  credentials: noCredentials,
  ...connection,
});

/**
 * Asks a tailnet server who the caller is. Rejects with the server's error, which has its sentence, or with a
 * ConnectionError.
 */
export async function askAccess(
  connection: ServerConnection,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<AccessAnswer> {
  using rest = createRestClient(clientConfigOf(connection), { userAgent: `keystone-cli/${version}`, timeoutMs });
  const answer = await rest.performRequest({ method: "GET", path: "/k8s", ...(signal ? { abortSignal: signal } : {}) });
  const parsed = accessSchema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new Exit(
    exitCodes.no,
    `${connection.server} answers, but not as Keystone's tailnet server: ${
      z.prettifyError(parsed.error).replaceAll("\n", " ").slice(0, 200)
    }. Check LENDER and --port.`,
  );
}
