/**
 * A process that floods an API server as a guest: so many clients at once, each of which writes and lists objects of nearly
 * a megabyte as fast as it is answered. Ends by itself, and prints how many answers of which status it got.
 *
 * Usage: flood.ts KUBECONFIG NAMESPACE CLIENTS SECONDS
 */
import { Kubeconfig } from "../../lib/kubernetes/mod.ts";

const [path, namespace, clients, seconds] = Deno.args as [string, string, string, string];
const config = await (await Kubeconfig.load({ paths: [path] })).clientConfig();
const { clientCertificate } = await config.credentials.current();
using client = Deno.createHttpClient({
  caCerts: config.caCerts ? [config.caCerts] : [],
  ...(clientCertificate ? { cert: clientCertificate.certificate, key: clientCertificate.key } : {}),
  http1: true,
  http2: false,
});
const collection = `${config.server}/api/v1/namespaces/${namespace}/configmaps`;
const bodies = ["a", "b"].map((letter) => JSON.stringify({ data: { text: letter.repeat(900_000) } }));
const until = Date.now() + Number(seconds) * 1000;
const answers: Record<string, number> = {};

async function ask(method: string, url: string, body?: string): Promise<void> {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const code = await fetch(url, { method, client, ...(body ? { body, headers: { "Content-Type": type } } : {}) })
    .then(async (answer) => {
      await answer.body?.cancel();
      return String(answer.status);
    }, () => "none");
  answers[code] = (answers[code] ?? 0) + 1;
}

await Promise.all(Array.from({ length: Number(clients) }, async (_, number) => {
  const name = `flood-${number}`;
  await ask("POST", collection, JSON.stringify({ metadata: { name } }));
  for (let round = 0; Date.now() < until; round++) {
    if (round % 4 === 3) await ask("GET", collection);
    else await ask("PATCH", `${collection}/${name}`, bodies[round % 2]!);
  }
}));
console.log(JSON.stringify(answers));
