/** `keystone use` against a written tailscaled and a written answer of the tailnet server. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { certificatesAt } from "../../server/admission/serving_certificates.ts";
import { hasToEnd } from "./forwarder_life.ts";
import { createRestClient, Kubeconfig } from "../../../lib/kubernetes/mod.ts";
import { keystone, type Said } from "../../../tests/fixtures/keystone_command.ts";
import { keystoneOnTerminal, terminalKeys } from "../../../tests/fixtures/keystone_terminal.ts";
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

/** A tailnet server with a certificate of its own authority, in PEM. */
async function certifiedServer(): Promise<AsyncDisposable & { port: number; authority: string }> {
  const hosts = { dns: [`alice-home.${suffix}`], ip: [] };
  const { certificates: { authorities, certificate, key } } = await certificatesAt(undefined, hosts, Date.now());
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, cert: certificate, key }, usual);
  return {
    port: (server.addr as Deno.NetAddr).port,
    authority: authorities,
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

const failures: [
  that: string,
  nodes: (port: number) => WrittenNode[],
  expected: { code: number; err: RegExp },
  options?: { state?: string; dials?: boolean; args?: string[]; answer?: unknown; status?: number },
][] = [
  ["the tailnet has no such node", () => [{ name: `carla.${suffix}`, address: "100.64.0.3" }], {
    code: 1,
    err: /^No node of the tailnet is named alice-home\. Nodes that this node sees: carla\. Correct the name, or ask/,
  }],
  ["the node is offline", () => [{ name: `alice-home.${suffix}`, address: "100.64.0.1", online: false }], {
    code: 4,
    err: /^alice-home doesn't answer on port 8443 \(alice-home\.\S+ is offline\)\. Try again when it is back\. Tried: /,
  }],
  ["no server, or no rule of the policy", () => [{ name: `alice-home.${suffix}`, address: "100.64.0.1" }], {
    code: 4,
    err:
      /is online\)\. Either its tailnet server is off, or the tailnet's policy doesn't allow this node tcp:8443 there/,
  }],
  ["another port than the server's", (port) => [alice(port)], { code: 4, err: /on port 9999/ }, {
    args: ["--port", "9999"],
  }],
  ["tailscaled is not logged in", (port) => [alice(port)], { code: 4, err: /is not logged in; run tailscale up/ }, {
    state: "NeedsLogin",
  }],
  ["tailscaled is stopped", (port) => [alice(port)], { code: 4, err: /is stopped; run tailscale up/ }, {
    state: "Stopped",
  }],
  ["tailscaled can't dial", (port) => [alice(port)], { code: 4, err: /use a newer tailscaled/ }, { dials: false }],
  ["tailscaled doesn't run", (port) => [alice(port)], {
    code: 4,
    err: /tailscaled at \/nowhere\/d\.sock: .*start tailscaled, or name its socket: --ts-socket PATH/,
  }, { args: ["--ts-socket", "/nowhere/d.sock"] }],
  ["the server refuses", (port) => [alice(port)], { code: 3, err: /^Node bob-home is nobody here\. Ask Alice\.$/ }, {
    status: 403,
    answer: { kind: "Status", status: "Failure", code: 403, message: "Node bob-home is nobody here. Ask Alice." },
  }],
  [
    "nothing is lent",
    (port) => [alice(port)],
    { code: 1, err: /^alice-home lends nothing to this node at present\./ },
    {
      answer: accessOf(),
    },
  ],
  ["no grant is in force", (port) => [alice(port)], { code: 1, err: /^The grant a ended at noon\.$/ }, {
    answer: accessOf({ ...bob, access: false, message: "The grant a ended at noon." }),
  }],
  ["several realms", (port) => [alice(port)], {
    code: 2,
    err: /^--realm is not set, and alice-home knows this node as bob-home and work\. Use --realm\.$/,
  }, { answer: accessOf(bob, { ...bob, realm: "work" }) }],
  ["a realm that isn't this node's", (port) => [alice(port)], {
    code: 1,
    err: /^--realm is work, but alice-home knows/,
  }, {
    args: ["--realm", "work"],
  }],
  ["another program's port", (port) => [alice(port)], { code: 1, err: /not as Keystone's tailnet server/ }, {
    answer: { kind: "APIVersions" },
  }],
  ["a page of another program", (port) => [alice(port)], { code: 4, err: /without a Kubernetes Status/ }, {
    status: 404,
    answer: "no",
  }],
  ["a namespace that is none", (port) => [alice(port)], { code: 1, err: /not as Keystone's/ }, {
    answer: accessOf({ ...bob, namespace: "x\nusers: []" }),
  }],
];
for (const [that, nodes, { code, err }, { args = [], answer, status, ...options } = {}] of failures) {
  Deno.test(`${that}: exit code ${code} with the reason, and nothing is written`, async () => {
    await using server = lenderServer((request) =>
      answer === undefined ? usual(request) : Response.json(answer, { status: status ?? 200 })
    );
    await scene(nodes(server.port), async ({ run, folder }) => {
      const said = await run("use", "alice-home", ...args);
      assert.match(said.err, err);
      assert.equal(said.code, code);
      assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), []);
    }, options);
  });
}

Deno.test("a context of another program has the name: not replaced", async () => {
  await using server = lenderServer(usual);
  await scene([alice(server.port)], async ({ run, kubeconfig }) => {
    const text = "contexts:\n- name: alice-home\n  context: { cluster: c, user: u }\n";
    await Deno.writeTextFile(kubeconfig, text);
    const { code, err } = await run("use", "alice-home");
    assert.equal(code, 2);
    assert.match(err, /The context alice-home in \S+ is not by keystone use\. Use another name with --context\./);
    assert.equal(await Deno.readTextFile(kubeconfig), text);
  });
});

Deno.test("the first replica is gone: the second one serves; anybody's node named NAME-1 does not", async () => {
  await using server = lenderServer(usual);
  const first: WrittenNode = { name: `alice-home.${suffix}`, address: "100.64.0.1", online: false };
  const second: WrittenNode = {
    name: `alice-home-1.${suffix}`,
    address: "100.64.0.2",
    ports: { 8443: server.port },
  };
  await scene([first, second], async ({ run, tailnet, kubeconfig }) => {
    const { code, err } = await run("use", "alice-home");
    assert.equal(code, 0, err);
    // The forwarder looks for the lender at each connection.
    tailnet.options = { nodes: [{ ...second, ports: {} }, { ...first, online: true, ports: { 8443: server.port } }] };
    using rest = createRestClient(await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig(), {
      userAgent: "test",
    });
    await rest.performRequest({ method: "GET", path: "/version" });
  });
  await scene([first, { ...second, owner: 2 }], async ({ run, tailnet }) => {
    assert.equal((await run("use", "alice-home")).code, 4);
    assert.equal(tailnet.dials > 0, true);
    tailnet.options = { nodes: [{ ...second, owner: 2 }] };
    assert.match((await run("use", "alice-home")).err, /No node of the tailnet is named alice-home/);
  });
});

Deno.test("over tailscaled's proxy: the name and the proxy are in the context, and no user", async () => {
  const asked: string[] = [];
  await using proxy = lenderServer((request) => {
    asked.push(request.url);
    return usual(request);
  });
  await scene([alice(1)], async ({ run, kubeconfig }) => {
    const { code, err } = await run("use", "alice-home", "--proxy-url", `http://127.0.0.1:${proxy.port}`);
    assert.equal(code, 0, err);
    const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
    assert.equal(config.server, `http://alice-home.${suffix}:8443/k8s/bob-home`);
    assert.equal(config.proxyUrl, `http://127.0.0.1:${proxy.port}`);
    assert.doesNotMatch(await Deno.readTextFile(kubeconfig), /exec|users:\n-/);
    assert.ok(asked.includes(`http://alice-home.${suffix}:8443/k8s`), asked.join());
  });
});

Deno.test("several realms, one with access: this one is used, without a question", async () => {
  const homes = { ...bob, realm: "homes", namespace: "guest-homes", path: "/k8s/homes" };
  await using server = lenderServer(() => Response.json(accessOf({ ...bob, access: false }, homes)));
  await scene([alice(server.port)], async ({ run, kubeconfig }) => {
    const { code, err } = await run("use", "alice-home");
    assert.equal(code, 0, err);
    assert.match(await Deno.readTextFile(kubeconfig), /guest-homes/);
  });
});

Deno.test("--list: shows what the lender gives now; --stop: removes the entries and ends the forwarder", async () => {
  let answer: unknown = accessOf(bob);
  await using server = lenderServer(() => Response.json(answer));
  await scene([alice(server.port)], async ({ run, kubeconfig, folder }) => {
    const before =
      "# Mine.\ncurrent-context: dev\ncontexts:\n- name: dev\n  context: {cluster: dev}\nclusters: []\nusers: []\n";
    await Deno.writeTextFile(kubeconfig, before);
    assert.equal((await run("use", "alice-home", "--no-switch")).code, 0);
    assert.match(await Deno.readTextFile(kubeconfig), /^current-context: dev$/m);
    const used = await run("use", "alice-home", "-o", "json");
    assert.equal(used.code, 0, used.err);
    const { server: url, current } = used.json();
    assert.equal(current, true);
    const [item] = (await run("use", "--list", "-o", "json")).json().items;
    assert.deepEqual([item.context, item.access, item.ends, item.current], ["alice-home", true, ends, true]);
    answer = accessOf({ ...bob, access: false });
    assert.match((await run("use", "--list")).out, /alice-home +alice-home +bob-home +a forwarder +no grant in force/);
    const stopped = await run("use", "alice-home", "--stop");
    assert.equal(stopped.out, "Context alice-home is removed. Current is dev.");
    assert.equal(await Deno.readTextFile(kubeconfig), before);
    assert.deepEqual(Array.from(Deno.readDirSync(join(folder, "state/keystone/use"))), []);
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) }));
    assert.equal((await run("use", "alice-home", "--stop")).code, 1);
    assert.match((await run("use", "--list")).out, /No context is by keystone use/);
  });
});

/** Asks the API server as kubectl does, with the plugin. */
async function asked(kubeconfig: string): Promise<void> {
  const config = await (await Kubeconfig.load({ paths: [kubeconfig], attended: false })).clientConfig();
  using rest = createRestClient(config, { userAgent: "test" });
  await rest.performRequest({ method: "GET", path: "/version" });
}

/** Returns the settings and the process of the only forwarder. */
async function forwarderIn(folder: string): Promise<{ port: number; pid: number; path: string }> {
  const all = join(folder, "state/keystone/use");
  const [entry] = Array.from(Deno.readDirSync(all));
  const path = join(all, entry!.name);
  const { port } = JSON.parse(await Deno.readTextFile(join(path, "forwarder.json")));
  return { port, pid: Number(await Deno.readTextFile(join(path, "lock"))), path };
}

Deno.test("the forwarder is killed, as by a reboot: kubectl's plugin starts it again; a taken port is a sentence", async () => {
  await using server = lenderServer(usual);
  await scene([alice(server.port)], async ({ run, kubeconfig, folder }) => {
    assert.equal((await run("use", "alice-home")).code, 0);
    const { port, pid } = await forwarderIn(folder);
    Deno.kill(pid, "SIGKILL");
    // Several clients at once start one.
    await Promise.all([asked(kubeconfig), asked(kubeconfig), asked(kubeconfig)]);
    const next = await forwarderIn(folder);
    assert.notEqual(next.pid, pid);
    assert.equal(next.port, port);
    Deno.kill(next.pid, "SIGKILL");
    let thief: Deno.TcpListener | undefined;
    while (!thief) {
      try {
        thief = Deno.listen({ hostname: "127.0.0.1", port });
      } catch {
        // The killed one still has it.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    try {
      await assert.rejects(asked(kubeconfig), /127\.0\.0\.1 can't be opened: .*Run keystone use again, which chooses/s);
      assert.equal((await run("use", "alice-home")).code, 0);
      assert.notEqual((await forwarderIn(folder)).port, port);
      await asked(kubeconfig);
    } finally {
      thief.close();
    }
  });
});

Deno.test({
  name: "on a terminal: asks for the realm, and the forwarder outlives the terminal",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const work = { realm: "work", namespace: "guest-work", path: "/k8s/work" };
    await using server = lenderServer((request) =>
      new URL(request.url).pathname === "/k8s" ? Response.json(accessOf(bob, work)) : Response.json({})
    );
    await scene([alice(server.port)], async ({ tailnet, kubeconfig, folder }) => {
      const env = { HOME: folder, XDG_STATE_HOME: join(folder, "state"), TS_SOCKET: tailnet.socket };
      const { code, lines } = await keystoneOnTerminal(kubeconfig, ["use", "alice-home"], [
        [/Act for which\?.*work/, `${terminalKeys.down}${terminalKeys.enter}`],
      ], { env });
      assert.equal(code, 0, lines.join("\n"));
      assert.match(lines.join(" "), /Context alice-home-work is the current one: namespace guest-work of alice-home/);
      await asked(kubeconfig);
      const cancelled = await keystoneOnTerminal(kubeconfig, ["use", "alice-home", "--context", "other"], [
        [/Act for which/, terminalKeys.interrupt],
      ], { env });
      assert.notEqual(cancelled.code, 0);
      assert.doesNotMatch(await Deno.readTextFile(kubeconfig), /other/);
    });
  },
});

Deno.test("the context is deleted by kubectl: the forwarder and its keys go; idle: it goes, the keys stay", async () => {
  await using server = lenderServer(usual);
  await scene([alice(server.port)], async ({ run, kubeconfig, folder }) => {
    assert.equal((await run("use", "alice-home")).code, 0);
    // A copy, because the forwarder itself still runs.
    const path = join(folder, "copy");
    await Deno.mkdir(path);
    await Deno.copyFile(join((await forwarderIn(folder)).path, "forwarder.json"), join(path, "forwarder.json"));
    const state = { folder: path, context: "alice-home", kubeconfig, connections: 1, idleMs: 0 };
    assert.equal(await hasToEnd(state), false);
    assert.equal(await hasToEnd({ ...state, connections: 0, idleMs: 14 * 60_000 }), false);
    assert.equal(await hasToEnd({ ...state, connections: 0, idleMs: 15 * 60_000 }), true);
    const text = await Deno.readTextFile(kubeconfig);
    await Deno.writeTextFile(kubeconfig, text.replace("- name: alice-home\n", "- name: renamed\n"));
    assert.equal(await hasToEnd(state), true);
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await Deno.writeTextFile(kubeconfig, text);
  });
});

Deno.test("the server's certificate: trusted, the forwarder checks its name; unknown, a sentence", async () => {
  await using server = await certifiedServer();
  await scene([alice(server.port)], async ({ run, tailnet, folder, kubeconfig }) => {
    const { code, err } = await run("use", "alice-home");
    assert.equal(code, 4);
    assert.match(
      err,
      /^alice-home\.\S+ shows a certificate that this machine doesn't trust: .*Check this machine's clock, or/,
    );
    await Deno.writeTextFile(join(folder, "authority.pem"), server.authority);
    const env = {
      HOME: folder,
      XDG_STATE_HOME: join(folder, "state"),
      TS_SOCKET: tailnet.socket,
      KUBECONFIG: kubeconfig,
      DENO_CERT: join(folder, "authority.pem"),
    };
    const main = new URL("../main.ts", import.meta.url).pathname;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--frozen", "-A", "--no-check", main, "use", "alice-home"],
      env,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    await asked(kubeconfig);
    const { path } = await forwarderIn(folder);
    assert.equal(JSON.parse(await Deno.readTextFile(join(path, "forwarder.json"))).tls, true);
    // The same certificate at another node is not its own.
    tailnet.options = { nodes: [{ ...alice(server.port), name: `alice-home-1.${suffix}` }] };
    await assert.rejects(asked(kubeconfig), /certificate/i);
  });
});

Deno.test("completion offers the nodes of the tailnet, and the ways", async () => {
  const nodes = ["alice-home", "alice-home-1", "carla"].map((name, index) => ({
    name: `${name}.${suffix}`,
    address: `100.64.0.${index + 1}`,
  }));
  await scene(nodes, async ({ run }) => {
    assert.deepEqual((await run("__complete", "use", "")).out.split("\n"), ["alice-home", "carla", ":4"]);
    assert.match((await run("__complete", "use", "--way", "")).out, /^direct\nproxy\nforwarder\n:4$/);
  });
});
