/** The time that the tailnet server adds to a request over the tailnet. */
import { lender, type ServedTailnet } from "./served_tailnet.ts";
import { TailnetForward } from "../../tests/fixtures/tailnet_dial.ts";

/** Milliseconds of single requests, the two ways in turn. */
export interface Latencies {
  /** Through the tailnet server. */
  served: number[];
  /** Straight to the API server's port, over the same two daemons. */
  raw: number[];
}

const warmUps = 50;
const requests = 500;
const guest = "bob-home";
const path = `/api/v1/namespaces/guest-${guest}/configmaps/kube-root-ca.crt`;

/**
 * Measures a GET as the realm's account on kept connections. The lender's daemon has no network device, so it forwards
 * the API server's port as it forwards the tailnet server's. TLS is the client's on the raw way.
 */
export async function addedLatency({ lab, port }: ServedTailnet): Promise<Latencies> {
  const { socket } = lab.realms[guest]!;
  const { ipv4 } = lab.realms[lender]!;
  await using toServer = new TailnetForward(socket, ipv4, port);
  await using toApi = new TailnetForward(socket, ipv4, lab.ports.apiserver);
  const { clusters: [{ cluster }] } = JSON.parse(await Deno.readTextFile(lab.kubeconfig));
  const authority = new TextDecoder().decode(Uint8Array.fromBase64(cluster["certificate-authority-data"]));
  using client = Deno.createHttpClient({ caCerts: [authority], http1: true, http2: false });
  const authorization = `Bearer ${await tokenOf(lab)}`;
  const ask = async (url: string, headers: Record<string, string>): Promise<number> => {
    const startedAt = performance.now();
    const answer = await fetch(url, { headers, client });
    const body = await answer.text();
    if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${body}`);
    return performance.now() - startedAt;
  };
  const ways = {
    served: () => ask(`http://127.0.0.1:${toServer.port}/k8s/${guest}${path}`, {}),
    raw: () => ask(`https://127.0.0.1:${toApi.port}${path}`, { authorization }),
  };
  const latencies: Latencies = { served: [], raw: [] };
  for (let count = -warmUps; count < requests; count++) {
    // Each way is as often the first.
    for (const way of count % 2 === 0 ? ["served", "raw"] as const : ["raw", "served"] as const) {
      const took = await ways[way]();
      if (count >= 0) latencies[way].push(took);
    }
  }
  return latencies;
}

/** Returns a token of the guest's account. */
async function tokenOf(lab: ServedTailnet["lab"]): Promise<string> {
  const works = async (...args: string[]) => {
    const { code, stdout, stderr } = await lab.kubectl([...args, "--namespace=keystone-system"]);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  };
  const accounts = (await works("get", "serviceaccounts", "-o", "name")).split("\n");
  const account = accounts.find((name) => name.includes(`/realm-${guest}-`));
  if (account === undefined) throw new Error(`${guest} has no account: ${accounts.join(", ")}`);
  return await works("create", "token", account.replace(/^serviceaccount\//, ""), "--duration=1h");
}
