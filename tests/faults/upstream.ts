/** The client with which proxies call the real API server. */
import { Kubeconfig } from "../../lib/kubernetes/mod.ts";

export interface Upstream extends Disposable {
  /** Forwards a request, as the user of the kubeconfig. */
  send(path: string, request: RequestInit): Promise<Response>;
}

export async function upstreamOf(kubeconfig: string): Promise<Upstream> {
  const { server, caCerts, credentials } = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
  const { clientCertificate } = await credentials.current();
  const client = Deno.createHttpClient({
    caCerts: caCerts === undefined ? [] : [caCerts],
    ...(clientCertificate && { cert: clientCertificate.certificate, key: clientCertificate.key }),
    http2: false,
  });
  return {
    send: (path, request) => fetch(`${server}${path}`, { ...request, client }),
    [Symbol.dispose]: () => client.close(),
  };
}
