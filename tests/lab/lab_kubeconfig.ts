import type { CertificateAndKey } from "./lab_certificates.ts";

/** Returns a kubeconfig with one cluster, one user with a client certificate, and one context. JSON is also YAML. */
export function kubeconfigFor(
  cluster: { server: string; authority: string },
  user: string,
  credentials: CertificateAndKey,
): string {
  return JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{
        name: "lab",
        cluster: { server: cluster.server, "certificate-authority-data": base64(cluster.authority) },
      }],
      users: [{
        name: user,
        user: {
          "client-certificate-data": base64(credentials.certificate),
          "client-key-data": base64(credentials.key),
        },
      }],
      contexts: [{ name: "lab", context: { cluster: "lab", user } }],
      "current-context": "lab",
    },
    null,
    2,
  );
}

function base64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}
