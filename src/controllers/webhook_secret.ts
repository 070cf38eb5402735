/** The Secret that stores the webhook's certificates. */
import type { Secret } from "../../lib/kubernetes_apis/core@v1.ts";
import { webhookName, type WebhookPlace } from "../core/admission/configuration.ts";
import { managedBy, managedByLabel, systemNamespace } from "../core/names.ts";
import type { Certificates } from "../server/admission/serving_certificates.ts";

const fields = { authorities: "ca.crt", authorityKeys: "ca.key", certificate: "tls.crt", key: "tls.key" } as const;

/** Reads the certificates; missing or undecodable texts become empty, so that they are made again. */
export function certificatesFrom({ data }: Secret): Certificates {
  const text = (name: keyof typeof fields): string => {
    try {
      return new TextDecoder().decode(Uint8Array.fromBase64(data?.[fields[name]] ?? ""));
    } catch {
      return "";
    }
  };
  return {
    authorities: text("authorities"),
    authorityKeys: text("authorityKeys"),
    certificate: text("certificate"),
    key: text("key"),
  };
}

/** Returns the Secret of these certificates. */
export const secretOf = (certificates: Certificates): Secret => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: webhookName, namespace: systemNamespace, labels: { [managedByLabel]: managedBy } },
  type: "kubernetes.io/tls",
  data: Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      field,
      new TextEncoder().encode(certificates[name as keyof Certificates]).toBase64(),
    ]),
  ),
});

/** New certificates, the ones they replace, and the instant from which they may be served. */
export interface Pending {
  present: Certificates | undefined;
  certificates: Certificates;
  /** Epoch milliseconds. */
  from: number;
}

/** Memory of the webhook loop. */
export interface WebhookMemory {
  /** True once the existing certificates and configuration have been read. */
  readonly isPresent: boolean;
  /** Address at which the API server reaches the webhook. */
  readonly place: WebhookPlace;
  /** Authorities that the Secret has had: a front whose operator is down may still serve their certificates. */
  readonly seen: Set<string>;
  /** New certificates that wait until all API servers trust their authority. */
  pending: Pending | undefined;
  /** Reports a new certificate. */
  renewed(): void;
}
