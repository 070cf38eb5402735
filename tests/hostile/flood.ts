/**
 * A flood of an API server by a guest: parallel clients that write and list objects of nearly a megabyte as fast as the
 * server answers.
 *
 * As a program it ends by itself and prints the number of answers by status:
 * flood.ts KUBECONFIG NAMESPACE CLIENTS SECONDS
 */
import { Kubeconfig } from "../../lib/kubernetes/mod.ts";

/** Sends one request and waits for its answer. */
export type Ask = (method: string, path: string, body?: string) => Promise<unknown>;

const bodies = ["a", "b"].map((letter) => JSON.stringify({ data: { text: letter.repeat(900_000) } }));

/** Floods the ConfigMaps of a namespace while `goesOn` returns true. */
export async function flood(ask: Ask, namespace: string, clients: number, goesOn: () => boolean): Promise<void> {
  const collection = `/api/v1/namespaces/${namespace}/configmaps`;
  await Promise.all(Array.from({ length: clients }, async (_, number) => {
    const name = `flood-${number}`;
    await ask("POST", collection, JSON.stringify({ metadata: { name } }));
    for (let round = 0; goesOn(); round++) {
      if (round % 4 === 3) await ask("GET", collection);
      else await ask("PATCH", `${collection}/${name}`, bodies[round % 2]!);
    }
  }));
}

/** Returns an HTTP client with the credentials of a kubeconfig, and its server. */
export async function clientOfGuest(kubeconfig: string): Promise<{ server: string; client: Deno.HttpClient }> {
  const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
  const { clientCertificate } = await config.credentials.current();
  const client = Deno.createHttpClient({
    caCerts: config.caCerts ? [config.caCerts] : [],
    ...(clientCertificate ? { cert: clientCertificate.certificate, key: clientCertificate.key } : {}),
    http1: true,
    http2: false,
  });
  return { server: config.server, client };
}

if (import.meta.main) {
  const [path, namespace, clients, seconds] = Deno.args as [string, string, string, string];
  const { server, client } = await clientOfGuest(path);
  const answers: Record<string, number> = {};
  const ask = async (method: string, path: string, body?: string): Promise<void> => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const request = { method, client, ...(body ? { body, headers: { "Content-Type": type } } : {}) };
    const code = await fetch(`${server}${path}`, request)
      .then(async (answer) => {
        await answer.body?.cancel();
        return String(answer.status);
      }, () => "none");
    answers[code] = (answers[code] ?? 0) + 1;
  };
  const until = Date.now() + Number(seconds) * 1000;
  await flood(ask, namespace, Number(clients), () => Date.now() < until);
  client.close();
  console.log(JSON.stringify(answers));
}
