/** `keystone use` against a written tailscaled and a written answer of the tailnet server. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createRestClient, Kubeconfig } from "../../../lib/kubernetes/mod.ts";
import { keystone, type Said } from "../../../tests/fixtures/keystone_command.ts";
import { type WrittenNode, WrittenTailnet } from "../../../tests/fixtures/written_tailnet.ts";

const suffix = "tailnet-name.ts.net";
const ends = "2099-06-01T12:00:00Z";
const bob = { realm: "bob-home", namespace: "guest-bob-home", path: "/k8s/bob-home", ends };
const accessOf = (...realms: unknown[]) => ({
  apiVersion: "keystone.io/v1alpha1",
  kind: "TailnetAccess",
  lender: "alice-home",
  node: `bob-home.${suffix}`,
  login: "bob@example.com",
  realms,
});

/** A tailnet server whose answers are written here. */
function lenderServer(answer: (request: Request) => Response): AsyncDisposable & { port: number } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  return {
    port: (server.addr as Deno.NetAddr).port,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const usual = (request: Request): Response => {
  const { pathname } = new URL(request.url);
  if (pathname === "/k8s") return Response.json(accessOf(bob));
  return Response.json({ kind: "PodList", apiVersion: "v1", metadata: {}, items: [], asked: pathname });
};

interface Scene {
  tailnet: WrittenTailnet;
  /** Folder for the kubeconfig and the state. */
  folder: string;
  kubeconfig: string;
  run(...args: string[]): Promise<Said>;
}

async function scene(
  nodes: readonly WrittenNode[],
  use: (scene: Scene) => Promise<void>,
  options: { tun?: boolean; state?: string; dials?: boolean } = {},
): Promise<void> {
  await using tailnet = await WrittenTailnet.open({ nodes, ...options });
  const folder = await Deno.makeTempDir();
  const kubeconfig = join(folder, "config");
  const env = { HOME: folder, XDG_STATE_HOME: join(folder, "state"), TS_SOCKET: tailnet.socket };
  const run = (...args: string[]) => keystone(kubeconfig, args, { env });
  try {
    await use({ tailnet, folder, kubeconfig, run });
  } finally {
    // Ends forwarders that a failed test left.
    for (let left = 3; left > 0 && (await run("use", "--list", "-o", "json")).json().items.length > 0; left--) {
      const [{ context }] = (await run("use", "--list", "-o", "json")).json().items;
      await run("use", "--stop", "--context", context);
    }
    await Deno.remove(folder, { recursive: true });
  }
}

const alice = (port: number): WrittenNode => ({
  name: `alice-home.${suffix}`,
  address: "100.64.0.1",
  ports: { 8443: port },
});

Deno.test("use without a proxy: a forwarder serves kubectl, and the kubeconfig has no secret", async () => {
  await using server = lenderServer(usual);
  await scene([alice(server.port)], async ({ run, kubeconfig, folder }) => {
    const { code, out, err } = await run("use", "alice-home");
    assert.equal(code, 0, err);
    assert.match(
      out,
      /^Context alice-home is the current one: namespace guest-bob-home of alice-home, until Monday 2099/,
    );
    assert.match(out, /Next: kubectl get pods/);
    const text = await Deno.readTextFile(kubeconfig);
    assert.doesNotMatch(text, /PRIVATE|token|password|client-key|client-certificate/i);
    const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
    assert.equal(config.namespace, "guest-bob-home");
    using rest = createRestClient(config, { userAgent: "test" });
    const answer = await rest.performRequest({ method: "GET", path: "/api/v1/namespaces/guest-bob-home/pods" });
    assert.equal((answer as Record<string, unknown>).asked, "/k8s/bob-home/api/v1/namespaces/guest-bob-home/pods");
    for await (const { name } of Deno.readDir(join(folder, "state/keystone/use"))) {
      for await (const file of Deno.readDir(join(folder, "state/keystone/use", name))) {
        const { mode } = await Deno.stat(join(folder, "state/keystone/use", name, file.name));
        assert.equal(mode! & 0o077, 0, file.name);
      }
    }
  });
});
