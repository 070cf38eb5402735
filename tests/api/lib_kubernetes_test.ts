/** lib/kubernetes against a real API server: behavior that can't be tested without one. */
import assert from "node:assert/strict";
import {
  type ApiError,
  type ClosableRestClient,
  ConnectionError,
  createRestClient,
  EventRecorder,
  fenced,
  isApiError,
  Kubeconfig,
  type KubernetesObject,
  LeaseHolder,
  leaseIdentity,
  NotLeader,
  objectReference,
  type Resource,
  ResourceApi,
  type WatchEvent,
} from "../../lib/kubernetes/mod.ts";
import { poll } from "../lab/poll.ts";
import { sharedLab } from "../lab/shared.ts";

interface ConfigMap extends KubernetesObject {
  data?: Record<string, string>;
}
interface Ingress extends KubernetesObject {
  spec?: unknown;
  status?: { loadBalancer?: { ingress?: { ip: string }[] } };
}
const configMaps: Resource<ConfigMap> = resource("", "v1", "ConfigMap", "configmaps");
const ingresses: Resource<Ingress> = resource("networking.k8s.io", "v1", "Ingress", "ingresses");
const serviceAccounts: Resource = resource("", "v1", "ServiceAccount", "serviceaccounts");
const leases: Resource = resource("coordination.k8s.io", "v1", "Lease", "leases");
const namespaces: Resource = resource("", "v1", "Namespace", "namespaces", false);
const ingressClasses: Resource<Ingress> = resource("networking.k8s.io", "v1", "IngressClass", "ingressclasses", false);

function resource<T extends KubernetesObject>(
  group: string,
  version: string,
  kind: string,
  plural: string,
  namespaced = true,
): Resource<T> {
  return { group, version, kind, plural, namespaced };
}

const FIELD_MANAGER = "lib-kubernetes-test";
const USER_AGENT = "lib-kubernetes-test/1";

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => assert.fail("the promise resolved"), (error) => error);
}

async function apiError(promise: Promise<unknown>, code: number, reason: string): Promise<ApiError> {
  const error = await rejection(promise);
  assert.ok(isApiError(error, code), String(error));
  assert.equal(error.reason, reason);
  return error;
}

async function connect(kubeconfig: string, context?: string): Promise<ClosableRestClient> {
  const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig(context);
  return createRestClient(config, { userAgent: USER_AGENT });
}

/** Returns the user name that the server gives this client. */
async function whoAmI(rest: ClosableRestClient): Promise<string> {
  const review = await rest.performRequest({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    bodyJson: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
  }) as { status: { userInfo: { username: string } } };
  return review.status.userInfo.username;
}

/** Starts a proxy on this computer that records who uses it. */
function startProxy(kind: "http" | "socks5"): { port: number; users: string[] } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const users: string[] = [];
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const tunnels: Promise<void>[] = [];

  async function tunnel(client: Deno.TcpConn): Promise<void> {
    const read = async () => {
      const buffer = new Uint8Array(4096);
      return buffer.subarray(0, await client.read(buffer) ?? 0);
    };
    let target: { hostname: string; port: number };
    if (kind === "http") {
      const head = text(await read());
      const [, hostname, port] = /^CONNECT ([^:]+):(\d+) /.exec(head)!;
      users.push(atob(/proxy-authorization: Basic (\S+)/i.exec(head)![1]!));
      target = { hostname: hostname!, port: Number(port) };
      await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    } else {
      await read();
      await client.write(new Uint8Array([5, 2]));
      const login = await read();
      const name = login.subarray(2, 2 + login[1]!);
      users.push(`${text(name)}:${text(login.subarray(3 + login[1]!))}`);
      await client.write(new Uint8Array([1, 0]));
      const wanted = await read();
      const isName = wanted[3] === 3;
      const hostname = isName ? text(wanted.subarray(5, 5 + wanted[4]!)) : [...wanted.subarray(4, 8)].join(".");
      const [high, low] = wanted.subarray(-2);
      target = { hostname, port: high! * 256 + low! };
      await client.write(new Uint8Array([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    }
    const server = await Deno.connect(target);
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  }

  const accepting = (async () => {
    for await (const client of listener) tunnels.push(tunnel(client));
  })();
  return {
    port: listener.addr.port,
    users,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => {});
      await Promise.allSettled(tunnels);
    },
  };
}

Deno.test("lib/kubernetes on a real API server", async (t) => {
  await using lab = await sharedLab();
  using rest = await connect(lab.kubeconfig);
  const suffix = crypto.randomUUID().slice(0, 8);
  const namespace = `lib-kubernetes-${suffix}`;
  await new ResourceApi(rest, namespaces).create({ metadata: { name: namespace } });
  const maps = new ResourceApi(rest, configMaps, namespace);

  await t.step("a second create: AlreadyExists; a missing object: NotFound", async () => {
    const created = await maps.create({ metadata: { name: "one" }, data: { a: "1" } }, { fieldManager: FIELD_MANAGER });
    assert.deepEqual([created.apiVersion, created.kind, created.data], ["v1", "ConfigMap", { a: "1" }]);
    assert.equal((await maps.get("one")).metadata?.uid, created.metadata?.uid);
    const exists = await apiError(maps.create({ metadata: { name: "one" } }), 409, "AlreadyExists");
    assert.equal(exists.message, 'configmaps "one" already exists');
    assert.equal(exists.details?.name, "one");
    const missing = await apiError(maps.get("none"), 404, "NotFound");
    assert.equal(missing.path, `/api/v1/namespaces/${namespace}/configmaps/none`);
    await apiError(
      new ResourceApi(rest, resource("none.example", "v1", "No", "nos"), namespace).list(),
      404,
      "NotFound",
    );
    const invalid = await apiError(maps.create({ metadata: { name: "No_Good" } }), 422, "Invalid");
    assert.equal(invalid.details?.causes?.[0]?.field, "metadata.name");
  });

  await t.step("a replace from a stale version: Conflict", async () => {
    const one = await maps.get("one");
    const replaced = await maps.replace({ ...one, data: { b: "2" } });
    assert.deepEqual(replaced.data, { b: "2" });
    await apiError(maps.replace({ ...one, data: { c: "3" } }), 409, "Conflict");
  });

  await t.step("all four patch types", async () => {
    await maps.patch("one", { data: { m: "merge" } }, { type: "merge" });
    await maps.patch("one", [{ op: "add", path: "/data/j", value: "json" }], { type: "json" });
    await maps.patch("one", { data: { s: "strategic" } }, { type: "strategic" });
    const patched = await maps.patch("one", { apiVersion: "v1", kind: "ConfigMap", data: { p: "apply" } }, {
      type: "apply",
      fieldManager: FIELD_MANAGER,
    });
    assert.deepEqual(patched.data, { b: "2", m: "merge", j: "json", s: "strategic", p: "apply" });
  });

  await t.step("server-side apply: creates, removes fields, and respects other managers unless forced", async () => {
    const apply = (data: Record<string, string>, fieldManager: string, force?: boolean) =>
      maps.apply({ metadata: { name: "applied" }, data }, { fieldManager, force });
    await apply({ a: "1", b: "1" }, "first");
    assert.deepEqual((await apply({ a: "1" }, "first")).data, { a: "1" });
    const conflict = await apiError(apply({ a: "2" }, "second"), 409, "Conflict");
    assert.deepEqual(conflict.details?.causes?.map(({ reason, field }) => [reason, field]), [
      ["FieldManagerConflict", ".data.a"],
    ]);
    assert.deepEqual((await apply({ a: "2" }, "second", true)).data, { a: "2" });
  });

  await t.step("an apply without changes: writes nothing", async () => {
    const apply = () => maps.apply({ metadata: { name: "same" }, data: { a: "1" } }, { fieldManager: FIELD_MANAGER });
    assert.equal((await apply()).metadata?.resourceVersion, (await apply()).metadata?.resourceVersion);
  });

  await t.step("status: applied through its subresource only", async () => {
    const api = new ResourceApi(rest, ingresses);
    const spec = {
      ingressClassName: `none-${suffix}`,
      defaultBackend: { service: { name: "none", port: { number: 80 } } },
    };
    const metadata = { name: "web", namespace };
    const status = { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } };
    const created = await api.apply({ metadata, spec, status }, { fieldManager: FIELD_MANAGER });
    assert.deepEqual(created.status, { loadBalancer: {} });
    const applied = await api.applyStatus({ metadata, status }, { fieldManager: `${FIELD_MANAGER}-status` });
    assert.deepEqual(applied.status, status);
    await apiError(
      api.applyStatus({ metadata: { ...metadata, name: "none" }, status }, { fieldManager: FIELD_MANAGER }),
      404,
      "NotFound",
    );
  });

  await t.step("a list: in pages of one version, each object once, with apiVersion and kind", async () => {
    const names = Array.from({ length: 25 }, (_, i) => `page-${String(i).padStart(2, "0")}`);
    const labels = { "lib-kubernetes-test": "pages" };
    await Promise.all(names.map((name) => maps.create({ metadata: { name, labels } })));
    const labelSelector = "lib-kubernetes-test=pages";
    const pages = await Array.fromAsync(maps.pages({ limit: 10, labelSelector }));
    assert.deepEqual(pages.map(({ items }) => items.length), [10, 10, 5]);
    assert.equal(new Set(pages.map(({ metadata }) => metadata.resourceVersion)).size, 1);
    assert.deepEqual(pages.flatMap(({ items }) => items.map(({ metadata }) => metadata?.name)), names);
    assert.ok(
      pages.every(({ items }) => items.every(({ kind, apiVersion }) => kind === "ConfigMap" && apiVersion === "v1")),
    );
    const all = await new ResourceApi(rest, configMaps).list({
      labelSelector,
      fieldSelector: `metadata.namespace=${namespace}`,
    });
    assert.equal(all.items.length, 25);
  });

  await t.step("a watch: delivers all events whole, of any size", async () => {
    const { metadata: { resourceVersion } } = await maps.list({ limit: 1 });
    const stop = new AbortController();
    const labelSelector = "lib-kubernetes-test=watch";
    const seen: WatchEvent<ConfigMap>[] = [];
    const watching = (async () => {
      for await (const event of maps.watch({ resourceVersion, labelSelector, signal: stop.signal })) {
        if (event.type !== "BOOKMARK") seen.push(event);
      }
    })();
    const labels = { "lib-kubernetes-test": "watch" };
    // Longer than any chunk, and full of three-byte characters that chunks split.
    const value = "语".repeat(200_000);
    await maps.create({ metadata: { name: "ignored" } });
    await maps.create({ metadata: { name: "watched", labels }, data: { value } });
    await maps.patch("watched", { data: { value: "2" } }, { type: "merge" });
    await maps.delete("watched");
    await poll("three events", () => seen.length === 3 || `${seen.length} came`, { withinMs: 10_000 });
    assert.deepEqual(
      seen.map((event) => event.type !== "BOOKMARK" && [event.type, event.object.kind, event.object.data?.value]),
      [["ADDED", "ConfigMap", value], ["MODIFIED", "ConfigMap", "2"], ["DELETED", "ConfigMap", "2"]],
    );
    const reason = new Error("enough");
    stop.abort(reason);
    assert.equal(await rejection(watching), reason);
  });

  await t.step("a delete with another uid: Conflict, and the object stays", async () => {
    const { metadata } = await maps.create({ metadata: { name: "kept" } });
    await apiError(maps.delete("kept", { uid: crypto.randomUUID() }), 409, "Conflict");
    await apiError(maps.delete("kept", { uid: metadata?.uid, resourceVersion: "1" }), 409, "Conflict");
    await maps.delete("kept", { uid: metadata?.uid });
    await apiError(maps.get("kept"), 404, "NotFound");
    await apiError(maps.delete("kept"), 404, "NotFound");
  });

  await t.step("events: shown by kubectl describe with their count, for cluster-scoped objects too", async () => {
    const errors: unknown[] = [];
    const recorder = new EventRecorder({
      rest,
      reportingController: "example.io/lib-kubernetes-test",
      reportingInstance: "test-0",
      onError: (error) => errors.push(error),
    });
    const classes = new ResourceApi(rest, ingressClasses);
    const cluster = await classes.create({
      metadata: { name: `events-${suffix}` },
      spec: { controller: "example.io/none" },
    });
    try {
      const web = await new ResourceApi(rest, ingresses, namespace).get("web");
      const notes = { [web.metadata.name!]: `The first (${suffix}).`, [cluster.metadata.name!]: "é".repeat(600) };
      for (const object of [web, cluster]) {
        const note = notes[object.metadata.name!]!;
        const event = {
          regarding: objectReference(object),
          type: "Warning",
          reason: "Tested",
          action: "Testing",
          note,
        } as const;
        recorder.event(event);
        await recorder.flush(AbortSignal.timeout(10_000));
        recorder.event(event);
        recorder.event(event);
        await recorder.flush(AbortSignal.timeout(10_000));
        assert.deepEqual(errors, []);
        const described = await lab.kubectl([
          "describe",
          object.kind!.toLowerCase(),
          object.metadata.name!,
          ...(object.metadata.namespace ? ["--namespace", object.metadata.namespace] : []),
        ]);
        assert.equal(described.code, 0, described.stderr);
        assert.match(described.stdout, /Warning +Tested +\S+ \(x3 over \S+\) +example.io\/lib-kubernetes-test/);
        assert.ok(described.stdout.includes(note.slice(0, 500)), described.stdout);
      }
      // The server refuses this invalid event.
      recorder.event({ regarding: objectReference(web), type: "Normal", reason: "", action: "", note: "x" });
      await recorder.flush(AbortSignal.timeout(10_000));
      assert.ok(errors.length === 1 && isApiError(errors[0], 422), String(errors[0]));
    } finally {
      await classes.delete(cluster.metadata.name!);
    }
  });

  await t.step("two lease holders: one leads, and after its release the other leads within 3 s", async () => {
    const errors: unknown[] = [];
    const holder = () =>
      new LeaseHolder({
        rest,
        namespace,
        name: "operator",
        identity: leaseIdentity(),
        onError: (error) => errors.push(error),
      });
    const [first, second] = [holder(), holder()];
    await first.acquire(AbortSignal.timeout(10_000));
    const waitsFor = Promise.withResolvers<string>();
    const acquired = second.acquire(AbortSignal.timeout(30_000), waitsFor.resolve);
    assert.equal(await waitsFor.promise, first.identity);
    assert.deepEqual([first.held(), second.held()], [true, false]);
    const fencedMaps = new ResourceApi(fenced(rest, second), configMaps, namespace);
    assert.ok(await rejection(fencedMaps.create({ metadata: { name: "fenced" } })) instanceof NotLeader);
    await fencedMaps.get("one");

    const releasedAt = performance.now();
    await first.release();
    await acquired;
    const handover = performance.now() - releasedAt;
    assert.ok(handover < 3_000, `the handover took ${handover} ms`);
    assert.deepEqual([first.held(), second.held()], [false, true]);
    await fencedMaps.create({ metadata: { name: "fenced" } });
    const shown = await lab.kubectl([
      "get",
      "lease",
      "operator",
      "--namespace",
      namespace,
      "--output=jsonpath={.spec}",
    ]);
    const spec = JSON.parse(shown.stdout);
    assert.equal(spec.holderIdentity, second.identity);
    assert.deepEqual([spec.leaseDurationSeconds, spec.leaseTransitions], [15, 1]);
    await second.release();
    assert.deepEqual(errors, []);
  });

  await t.step("ten lease holders at once: exactly one gets the Lease", async () => {
    const stop = new AbortController();
    const holders = Array.from(
      { length: 10 },
      (_, i) => new LeaseHolder({ rest, namespace, name: "crowd", identity: `holder-${i}` }),
    );
    const waiting = holders.map((holder) =>
      new Promise<void>((resolve) => {
        holder.acquire(stop.signal, () => resolve()).then(resolve, () => {});
      })
    );
    await Promise.all(waiting);
    const leaders = holders.filter((holder) => holder.held());
    assert.equal(leaders.length, 1);
    stop.abort();
    await leaders[0]!.release();
    await new ResourceApi(rest, leases, namespace).delete("crowd");
  });

  await t.step("client certificate, token, token file and plugin: all authenticate", async () => {
    assert.match(await whoAmI(rest), /./);
    await new ResourceApi(rest, serviceAccounts, namespace).create({ metadata: { name: "robot" } });
    const issued = await rest.performRequest({
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/robot/token`,
      bodyJson: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 600 } },
    }) as { status: { token: string } };
    const { token } = issued.status;

    const dir = await Deno.makeTempDir({ prefix: "lib-kubernetes-" });
    try {
      const view = await lab.kubectl(["config", "view", "--raw", "--flatten", "--minify", "--output=json"]);
      const { clusters } = JSON.parse(view.stdout);
      const exec = {
        apiVersion: "client.authentication.k8s.io/v1",
        command: "./plugin",
        interactiveMode: "Never",
        provideClusterInfo: true,
      };
      const users = {
        token: { token },
        file: { tokenFile: "token" },
        exec: { exec },
        missing: { exec: { ...exec, command: "no-such-plugin-anywhere", installHint: "Get it from example.io." } },
      };
      await Deno.writeTextFile(`${dir}/token`, `${token}\n`);
      // Its first credentials are invalid, so the second run shows the renewal after a 401.
      await Deno.writeTextFile(
        `${dir}/plugin`,
        `#!/bin/sh
printf '%s' "$KUBERNETES_EXEC_INFO" > '${dir}/info'
token=refused
if [ -e '${dir}/ran' ]; then token='${token}'; fi
touch '${dir}/ran'
printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"%s"}}' "$token"
`,
        { mode: 0o700 },
      );
      await Deno.writeTextFile(
        `${dir}/kubeconfig`,
        JSON.stringify({
          clusters,
          users: Object.entries(users).map(([name, user]) => ({ name, user })),
          contexts: Object.keys(users).map((name) => ({ name, context: { cluster: clusters[0].name, user: name } })),
        }),
      );
      for (const context of ["token", "file", "exec"]) {
        using robot = await connect(`${dir}/kubeconfig`, context);
        assert.equal(await whoAmI(robot), `system:serviceaccount:${namespace}:robot`, context);
        const forbidden = await apiError(
          new ResourceApi(robot, configMaps, namespace).create({ metadata: { name: "x" } }),
          403,
          "Forbidden",
        );
        assert.match(forbidden.message, /cannot create resource "configmaps"/);
      }
      const info = JSON.parse(await Deno.readTextFile(`${dir}/info`));
      assert.equal(info.spec.cluster.server, clusters[0].cluster.server);
      assert.equal(
        info.spec.cluster["certificate-authority-data"],
        clusters[0].cluster["certificate-authority-data"],
      );
      using missing = await connect(`${dir}/kubeconfig`, "missing");
      assert.match(
        String(await rejection(whoAmI(missing))),
        /no-such-plugin-anywhere of user "missing".*isn't installed.*Get it from example.io\./,
      );
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });

  await t.step("a server certificate of another CA: a ConnectionError that says so", async () => {
    const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
    using stranger = createRestClient({ ...config, caCerts: undefined }, { userAgent: USER_AGENT });
    const error = await rejection(whoAmI(stranger));
    assert.ok(error instanceof ConnectionError);
    assert.match(error.message, /UnknownIssuer\. certificate-authority is not set: .*DENO_TLS_CA_STORE=system/);
    const readCaCerts = () => Promise.reject(new Error("it is gone"));
    using mistaken = createRestClient({ ...config, caCerts: undefined, readCaCerts }, { userAgent: USER_AGENT });
    assert.match(String(await rejection(whoAmI(mistaken))), /Is certificate-authority the CA of this server\?$/);
  });

  await t.step("many watches and a burst of writes: all events arrive", async () => {
    const stop = new AbortController();
    const { metadata: { resourceVersion } } = await maps.list({ limit: 1 });
    let brought = 0;
    const watches = Array.from({ length: 120 }, async () => {
      for await (const event of maps.watch({ resourceVersion, labelSelector: "burst", signal: stop.signal })) {
        if (event.type === "ADDED") brought++;
      }
    });
    const labels = { burst: "" };
    await Promise.all(
      Array.from(
        { length: 50 },
        (_, i) => maps.apply({ metadata: { name: `burst-${i}`, labels } }, { fieldManager: FIELD_MANAGER }),
      ),
    );
    await poll("all events", () => brought === 120 * 50 || `${brought} came`, { withinMs: 30_000 });
    stop.abort();
    assert.ok((await Promise.allSettled(watches)).every(({ status }) => status === "rejected"));
  });

  await t.step("impersonation: the user, each group and the uid that the server sees", async () => {
    const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig(undefined, {
      as: "jane",
      asUid: "u-1",
      asGroups: ["team, a", "team-b"],
    });
    for (const variant of [config, { ...config, caCerts: undefined, insecureSkipTlsVerify: true }]) {
      using jane = createRestClient(variant, { userAgent: USER_AGENT });
      const review = await jane.performRequest({
        method: "POST",
        path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        bodyJson: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
      }) as { status: { userInfo: Record<string, unknown> } };
      const { username, uid, groups } = review.status.userInfo;
      assert.deepEqual([username, uid, groups], ["jane", "u-1", ["team, a", "team-b", "system:authenticated"]]);
    }
  });

  await t.step(
    "another name in the certificate, an unchecked one: requests and watches work, others fail",
    async () => {
      const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
      const variants = [
        { ...config, tlsServerName: "kubernetes.default.svc" },
        { ...config, tlsServerName: "elsewhere.example", insecureSkipTlsVerify: true },
        { ...config, caCerts: undefined, insecureSkipTlsVerify: true },
      ];
      for (const [index, variant] of variants.entries()) {
        using other = createRestClient(variant, { userAgent: USER_AGENT });
        const api = new ResourceApi(other, configMaps, namespace);
        const { metadata: { resourceVersion } } = await api.list({ limit: 1 });
        const stop = new AbortController();
        const seen = Promise.withResolvers<string>();
        const watching = (async () => {
          for await (const event of api.watch({ resourceVersion, signal: stop.signal })) {
            if (event.type === "ADDED") seen.resolve(event.object.metadata.name!);
          }
        })().catch(() => {});
        await api.create({ metadata: { name: `seen-${index}` }, data: { value: "语".repeat(10_000) } });
        assert.equal(await seen.promise, `seen-${index}`);
        stop.abort();
        await watching;
        await apiError(api.get("none"), 404, "NotFound");
        const applied = await Promise.all(Array.from(
          { length: 40 },
          (_, i) => api.apply({ metadata: { name: `variant-${i}` } }, { fieldManager: FIELD_MANAGER, force: true }),
        ));
        assert.equal(applied.length, 40);
      }
      using wrong = createRestClient({ ...config, tlsServerName: "elsewhere.example" }, { userAgent: USER_AGENT });
      assert.match(String(await rejection(whoAmI(wrong))), /doesn't name this host.*tls-server-name/);
      using stranger = createRestClient({ ...config, caCerts: undefined, tlsServerName: "kubernetes.default.svc" }, {
        userAgent: USER_AGENT,
      });
      assert.match(String(await rejection(whoAmI(stranger))), /certificate-authority is not set/);
    },
  );

  await t.step("the authority's file is replaced: read again, and the request succeeds", async () => {
    const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
    let reads = 0;
    using rotated = createRestClient({
      ...config,
      // Any other authority: the one of the previous certificate.
      caCerts: undefined,
      readCaCerts: () => Promise.resolve((reads++, config.caCerts!)),
    }, { userAgent: USER_AGENT });
    assert.match(await whoAmI(rotated), /./);
    assert.match(await whoAmI(rotated), /./);
    assert.equal(reads, 1);
  });

  await t.step(
    "proxies: http and socks5, with user and password, also with another name or an unchecked one",
    async () => {
      const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
      const variants = [
        config,
        { ...config, tlsServerName: "kubernetes.default.svc" },
        { ...config, caCerts: undefined, insecureSkipTlsVerify: true },
        { ...config, tlsServerName: "elsewhere.example", insecureSkipTlsVerify: true },
      ];
      for (const kind of ["http", "socks5"] as const) {
        for (const variant of variants) {
          await using proxy = startProxy(kind);
          const proxyUrl = `${kind}://me:p%40ss@127.0.0.1:${proxy.port}`;
          using through = createRestClient({ ...variant, proxyUrl }, { userAgent: USER_AGENT });
          const names = await Promise.all(Array.from({ length: 5 }, () => whoAmI(through)));
          assert.match(names.join(), /^[^,]+(,[^,]+){4}$/);
          assert.deepEqual(new Set(proxy.users), new Set(["me:p@ss"]), kind);
        }
        await using proxy = startProxy(kind);
        const proxyUrl = `${kind}://me:p%40ss@127.0.0.1:${proxy.port}`;
        using wrong = createRestClient({ ...config, tlsServerName: "elsewhere.example", proxyUrl }, {
          userAgent: USER_AGENT,
        });
        assert.match(String(await rejection(whoAmI(wrong))), /doesn't name this host.*tls-server-name/);
      }
    },
  );

  await t.step("a proxy that refuses, or isn't there: the message names the proxy and its reason", async () => {
    const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
    const answers = {
      http: [[/answered 407/, ["HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"]]],
      socks5: [
        [/requires another login/, ["\x05\xff"]],
        [/connection refused/, ["\x05\x00", "\x05\x05\x00\x01\0\0\0\0\0\0"]],
        [/no SOCKS 5 proxy/, ["HTTP/1.1 400 Bad Request\r\n\r\n"]],
        [/ended the connection/, []],
      ],
    } as const;
    for (const [kind, cases] of Object.entries(answers)) {
      for (const [reason, replies] of cases) {
        using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const serving = (async () => {
          for await (const client of listener) {
            for (const reply of replies) {
              await client.read(new Uint8Array(4096));
              await client.write(Uint8Array.from(reply, (char) => char.charCodeAt(0)));
            }
            if (replies.length > 0) await client.read(new Uint8Array(4096)).catch(() => {});
            client.close();
          }
        })().catch(() => {});
        const proxyUrl = `${kind}://127.0.0.1:${listener.addr.port}`;
        using through = createRestClient({ ...config, tlsServerName: "kubernetes.default.svc", proxyUrl }, {
          userAgent: USER_AGENT,
        });
        const error = await rejection(whoAmI(through));
        assert.ok(error instanceof ConnectionError, String(error));
        assert.match(error.message, new RegExp(`the proxy ${kind}://127\\.0\\.0\\.1:${listener.addr.port}`));
        assert.match(error.message, reason);
        listener.close();
        await serving;
      }
      const proxyUrl = `${kind}://127.0.0.1:1`;
      using absent = createRestClient({ ...config, caCerts: undefined, insecureSkipTlsVerify: true, proxyUrl }, {
        userAgent: USER_AGENT,
      });
      assert.match(String(await rejection(whoAmI(absent))), /the proxy .*127\.0\.0\.1:1\D.*refused/i);
    }
  });

  await t.step({
    name: "the server is down: ConnectionError; it returns: requests work again, and old versions are Expired",
    ignore: !lab.owned,
    fn: async () => {
      if (!lab.owned) return;
      const { metadata: { resourceVersion } } = await maps.list({ limit: 1 });
      const watching = Array.fromAsync(maps.watch({ resourceVersion }));
      const ended = watching.then(() => "ended", (error) => error);
      await maps.create({ metadata: { name: "before" } });
      await lab.apiserver.kill();
      const outcome = await ended;
      assert.ok(outcome === "ended" || outcome instanceof ConnectionError, String(outcome));
      const error = await rejection(maps.get("before"));
      assert.ok(error instanceof ConnectionError);
      assert.match(error.message, /Is the API server running there\?$/);
      await lab.apiserver.start();
      await maps.get("before");
      // A restarted server has no history from before its start, like a long-running one after compaction.
      await apiError(Array.fromAsync(maps.watch({ resourceVersion })), 410, "Expired");
    },
  });

  await new ResourceApi(rest, namespaces).delete(namespace);
});
