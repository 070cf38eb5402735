import assert from "node:assert/strict";
import { type ConfigEnvironment, ConfigError } from "./client_config.ts";
import { defaultConfig, inClusterConfig } from "./in_cluster.ts";
import { Kubeconfig, kubeconfigPaths } from "./kubeconfig.ts";

const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";

/** A file system with these files, and an environment with these variables. */
function world(files: Record<string, string>, variables: Record<string, string> = {}): Required<ConfigEnvironment> {
  return {
    env: (name) => variables[name],
    readTextFile: (path) =>
      path in files ? Promise.resolve(files[path]!) : Promise.reject(new Deno.errors.NotFound(`no file ${path}`)),
    runCommand: (command) => Promise.reject(new Error(`${command} must not be run`)),
    attended: false,
    isInteractive: () => false,
  };
}

/** A kubeconfig whose context `c` has this cluster and user, in YAML's flow style. */
function kubeconfig(cluster: string, user = "{}", rest = ""): string {
  return `
current-context: c
contexts: [{ name: c, context: { cluster: k, user: u } }]
clusters: [{ name: k, cluster: ${cluster} }]
users: [{ name: u, user: ${user} }]
${rest}`;
}

async function configOf(files: Record<string, string>, paths = Object.keys(files).slice(0, 1)) {
  return await (await Kubeconfig.load({ ...world(files), paths })).clientConfig();
}

Deno.test("kubeconfig paths: those of KUBECONFIG, otherwise the home directory's", () => {
  const paths = (variables: Record<string, string>, windows?: boolean) =>
    kubeconfigPaths((name) => variables[name], windows);
  assert.deepEqual(paths({ KUBECONFIG: "/a:/b", HOME: "/home/x" }), ["/a", "/b"]);
  assert.deepEqual(paths({ KUBECONFIG: ":/a::/a:" }), ["/a"]);
  assert.deepEqual(paths({ KUBECONFIG: "C:\\a;C:\\b" }, true), ["C:\\a", "C:\\b"]);
  assert.deepEqual(paths({ KUBECONFIG: "", HOME: "/home/x" }), ["/home/x/.kube/config"]);
  assert.deepEqual(paths({}), []);
});

Deno.test("kubeconfig: several files: the first with an entry wins, entry by entry", async () => {
  const files = {
    "/1": `
contexts: [{ name: a, context: { cluster: one, user: one } }]
clusters: [{ name: one, cluster: { server: "https://first" } }]`,
    "/2": `
current-context: a
contexts: [{ name: a, context: { cluster: two, user: two, namespace: lost } }, { name: b, context: { cluster: one } }]
clusters: [{ name: one, cluster: { server: "https://second", proxy-url: "http://lost" } }]
users: [{ name: one, user: { token: t1 } }]`,
    "/3": `
current-context: b
users: [{ name: one, user: { token: t2 } }]`,
  };
  const merged = await Kubeconfig.load({ ...world(files), paths: ["/missing", "/1", "/2", "/3"] });
  assert.equal(merged.currentContext, "a");
  assert.deepEqual(merged.contexts, ["a", "b"]);
  assert.deepEqual(merged.files, ["/1", "/2", "/3"]);
  const config = await merged.clientConfig();
  assert.equal(config.server, "https://first");
  assert.equal(config.proxyUrl, undefined);
  assert.equal(config.namespace, "default");
  assert.equal((await config.credentials.current()).authorization, "Bearer t1");
  const b = await merged.clientConfig("b");
  assert.deepEqual(await b.credentials.current(), {});
});

Deno.test("kubeconfig: relative paths: relative to their file; data takes precedence over paths", async () => {
  const files = {
    "/etc/k/config": kubeconfig(
      "{ server: 'https://h:6443/', certificate-authority: pki/ca.crt }",
      `{ client-certificate: ./me.crt, client-key-data: ${btoa(KEY)}, client-key: not-read.key }`,
    ),
    "/etc/k/pki/ca.crt": CERTIFICATE,
    "/etc/k/me.crt": CERTIFICATE,
  };
  const config = await configOf(files);
  assert.equal(config.server, "https://h:6443");
  assert.equal(config.caCerts, CERTIFICATE);
  assert.deepEqual(await config.credentials.current(), { clientCertificate: { certificate: CERTIFICATE, key: KEY } });
});

for (
  const { name, user, authorization } of [
    { name: "a token", user: "{ token: abc }", authorization: "Bearer abc" },
    { name: "a token file before a token", user: "{ token: abc, tokenFile: t }", authorization: "Bearer from-file" },
    { name: "user and password", user: "{ username: é, password: 'p:w' }", authorization: "Basic w6k6cDp3" },
    { name: "nothing", user: "{ token: '', username: }", authorization: undefined },
    { name: "no user section", user: "", authorization: undefined },
  ]
) {
  Deno.test(`kubeconfig: user with ${name}: authenticated by it`, async () => {
    const config = await configOf({ "/d/config": kubeconfig("{ server: 'https://h' }", user), "/d/t": "from-file\n" });
    assert.equal((await config.credentials.current()).authorization, authorization);
  });
}

Deno.test("kubeconfig: impersonation: sent as headers", async () => {
  const user = "{ as: jane, as-uid: u1, as-groups: [a, b], as-user-extra: { example.com/x: [z] } }";
  const config = await configOf({ "/c": kubeconfig("{ server: 'https://h' }", user) });
  assert.deepEqual(config.headers, [
    ["Impersonate-User", "jane"],
    ["Impersonate-Uid", "u1"],
    ["Impersonate-Group", "a"],
    ["Impersonate-Group", "b"],
    ["Impersonate-Extra-example.com%2Fx", "z"],
  ]);
});

const SERVER = "server: 'https://10.0.0.1:6443'";
for (
  const { name, files, says } of [
    { name: "no file", files: {}, says: ["There is no kubeconfig at /c", "Set KUBECONFIG"] },
    { name: "broken YAML", files: { "/c": "a: [" }, says: ["The kubeconfig /c can't be read", "Correct it"] },
    { name: "no mapping", files: { "/c": "just text" }, says: ["/c isn't valid", "the file"] },
    {
      name: "a field of another type",
      files: { "/c": kubeconfig("{ server: 5 }") },
      says: ["/c isn't valid", "clusters.0.cluster.server"],
    },
    {
      name: "no current context",
      files: { "/c": "contexts: [{ name: x, context: {} }]" },
      says: ["/c has no current-context", "kubectl config use-context x"],
    },
    {
      name: "an unknown context",
      files: { "/c": "current-context: z\ncontexts: [{ name: x, context: {} }]" },
      says: ['context "z" isn\'t in /c, which has "x"'],
    },
    {
      name: "an unknown cluster",
      files: { "/c": "current-context: x\ncontexts: [{ name: x, context: { cluster: k } }]" },
      says: ['context "x" of /c', 'cluster "k"', "kubectl config set-cluster k"],
    },
    {
      name: "an unknown user",
      files: { "/c": kubeconfig(`{ ${SERVER} }`).replace("user: u", "user: v") },
      says: ['context "c" of /c', 'user "v"', "kubectl config set-credentials v"],
    },
    { name: "no server", files: { "/c": kubeconfig("{}") }, says: ['cluster "k" of /c has no server'] },
    {
      name: "a server without a scheme",
      files: { "/c": kubeconfig("{ server: 'localhost:8080' }") },
      says: ['"localhost:8080"', "isn't an http or https URL"],
    },
    {
      name: "a uid to impersonate without a user",
      files: { "/c": kubeconfig(`{ ${SERVER} }`, "{ as-uid: u1 }") },
      says: ['user "u" of /c impersonates', "--as"],
    },
    {
      name: "a missing CA file",
      files: { "/c": kubeconfig(`{ ${SERVER}, certificate-authority: ca.crt }`) },
      says: ['certificate-authority /ca.crt of cluster "k" of /c', "can't be read", "Correct the path"],
    },
    {
      name: "a CA that isn't PEM",
      files: { "/c": kubeconfig(`{ ${SERVER}, certificate-authority-data: ${btoa("hello")} }`) },
      says: ['certificate-authority-data of cluster "k" of /c', "isn't PEM"],
    },
    {
      name: "data that isn't base64",
      files: { "/c": kubeconfig(`{ ${SERVER} }`, "{ client-certificate-data: '***' }") },
      says: ['client-certificate-data of user "u" of /c', "isn't base64"],
    },
    {
      name: "a certificate without its key",
      files: { "/c": kubeconfig(`{ ${SERVER} }`, `{ client-certificate-data: ${btoa(CERTIFICATE)} }`) },
      says: ['user "u" of /c has a client-certificate but no client-key', "client-key-data"],
    },
    {
      name: "an auth provider",
      files: { "/c": kubeconfig(`{ ${SERVER} }`, "{ auth-provider: { name: gcp } }") },
      says: ['user "u" of /c uses auth-provider', "exec"],
    },
    {
      name: "an unknown version of exec",
      files: {
        "/c": kubeconfig(
          `{ ${SERVER} }`,
          "{ exec: { apiVersion: client.authentication.k8s.io/v1alpha1, command: x } }",
        ),
      },
      says: ['user "u" of /c', "v1alpha1", "Update the credential plugin x"],
    },
  ] as { name: string; files: Record<string, string>; says: string[] }[]
) {
  Deno.test(`kubeconfig: ${name}: refused with the place and the remedy`, async () => {
    const error = await configOf(files, ["/c"]).then(() => assert.fail("accepted"), (error: unknown) => error);
    assert.ok(error instanceof ConfigError, String(error));
    for (const part of says) assert.ok(error.message.includes(part), `${error.message}\ndoesn't say\n${part}`);
  });
}

Deno.test("kubeconfig: null, absent and empty fields: as client-go takes them", async () => {
  const text = `
apiVersion: v1
kind: Config
preferences: {}
current-context: c
contexts:
- {name: c, context: {cluster: k, user: u, namespace: null, extensions: null}}
clusters:
- name: k
  cluster: {server: "https://h", certificate-authority: null, certificate-authority-data: "", proxy-url: null,
    insecure-skip-tls-verify: null, tls-server-name: null, extensions: null}
users:
- name: u
  user: {token: t, tokenFile: null, client-certificate: "", as: null, as-groups: null, as-user-extra: null, exec: null,
    auth-provider: null}
`;
  const config = await configOf({ "/c": text });
  assert.deepEqual([config.server, config.namespace, config.headers], ["https://h", "default", undefined]);
  assert.equal((await config.credentials.current()).authorization, "Bearer t");
  const empty = await configOf({ "/c": text.replace(/users:[^]*/, "users: [{name: u, user: null}]\n") });
  assert.equal((await empty.credentials.current()).authorization, undefined);
  const none = "current-context: c\ncontexts: [{name: c, context: null}]\nclusters: null\nusers:\n";
  await assert.rejects(configOf({ "/c": none }), /names no cluster/);
});

Deno.test("kubeconfig: broken entries that the context doesn't use: ignored", async () => {
  const text = kubeconfig("{ server: 'https://h' }", "{ token: t }").replace(
    "clusters: [",
    `clusters: [
    { name: broken, cluster: { server: 5, certificate-authority: missing.crt } }, { name: none }, {},`,
  ).replace(
    "users: [",
    "users: [{ name: old, user: { auth-provider: { name: gcp } } }, { name: exec, user: { exec: { command: 1 } } },",
  ).replace("contexts: [", "contexts: [{ name: bad, context: [a] },");
  assert.equal((await configOf({ "/c": text })).server, "https://h");
  const other = await Kubeconfig.load({ ...world({ "/c": text }), paths: ["/c"] });
  await assert.rejects(other.clientConfig("bad"), /contexts\.0\.context/);
});

Deno.test("kubeconfig: anchors and merge keys: resolved", async () => {
  const text = `
current-context: c
contexts: [{name: c, context: &context {cluster: k, user: u}}, {name: d, context: {<<: *context, namespace: team}}]
clusters: [{name: k, cluster: {server: "https://h"}}]
users: [{name: u, user: {token: t}}]
`;
  const config = await (await Kubeconfig.load({ ...world({ "/c": text }), paths: ["/c"] })).clientConfig("d");
  assert.deepEqual([config.server, config.namespace], ["https://h", "team"]);
});

Deno.test("kubeconfig: unchecked certificates, another name: part of the configuration", async () => {
  const skip = await configOf({ "/c": kubeconfig(`{ ${SERVER}, insecure-skip-tls-verify: true }`) });
  assert.deepEqual([skip.insecureSkipTlsVerify, skip.tlsServerName], [true, undefined]);
  const named = await configOf({ "/c": kubeconfig(`{ ${SERVER}, tls-server-name: k8s.example }`) });
  assert.deepEqual([named.insecureSkipTlsVerify, named.tlsServerName], [undefined, "k8s.example"]);
  const same = await configOf({ "/c": kubeconfig(`{ ${SERVER}, tls-server-name: 10.0.0.1 }`) });
  assert.equal(same.tlsServerName, undefined);
});

Deno.test("kubeconfig: server without TLS: gets no credentials, as with client-go", async () => {
  const config = await configOf({ "/c": kubeconfig("{ server: 'http://127.0.0.1:8001' }", "{ token: t, as: jane }") });
  assert.deepEqual(await config.credentials.current(), {});
  assert.deepEqual(config.headers, [["Impersonate-User", "jane"]]);
});

Deno.test("kubeconfig: authority in a file: read again when asked; inline: not", async () => {
  const files = { "/c": kubeconfig(`{ ${SERVER}, certificate-authority: ca.crt }`), "/ca.crt": CERTIFICATE };
  const config = await configOf(files, ["/c"]);
  files["/ca.crt"] = CERTIFICATE.replace("AAAA", "BBBB");
  assert.equal(await config.readCaCerts!(), files["/ca.crt"]);
  const inline = `{ ${SERVER}, certificate-authority-data: ${btoa(CERTIFICATE)} }`;
  assert.equal((await configOf({ "/c": kubeconfig(inline) })).readCaCerts, undefined);
});

Deno.test("kubeconfig: flags: take precedence as with kubectl", async () => {
  const text = kubeconfig(
    `{ ${SERVER}, tls-server-name: old.example, certificate-authority-data: ${btoa(CERTIFICATE)} }`,
    "{ exec: { apiVersion: client.authentication.k8s.io/v1, command: plugin }, as: jane, as-groups: [a] }",
    "",
  ).replace("clusters: [", "clusters: [{ name: other, cluster: { server: 'https://other' } },").replace(
    "users: [",
    "users: [{ name: second, user: { token: two } },",
  );
  const loaded = await Kubeconfig.load({ ...world({ "/c": text, "/ca.crt": CERTIFICATE }), paths: ["/c"] });
  const token = await loaded.clientConfig(undefined, { token: "flag", as: "joe", namespace: "team" });
  assert.equal((await token.credentials.current()).authorization, "Bearer flag");
  assert.deepEqual(token.headers, [["Impersonate-User", "joe"], ["Impersonate-Group", "a"]]);
  assert.equal(token.namespace, "team");
  const elsewhere = await loaded.clientConfig(undefined, { cluster: "other", user: "second" });
  assert.equal(elsewhere.server, "https://other");
  assert.equal((await elsewhere.credentials.current()).authorization, "Bearer two");
  const server = await loaded.clientConfig(undefined, { server: "https://third", user: "second" });
  assert.deepEqual([server.server, server.tlsServerName, server.caCerts], ["https://third", undefined, CERTIFICATE]);
  const skip = await loaded.clientConfig(undefined, { insecureSkipTlsVerify: true, user: "second" });
  assert.deepEqual([skip.insecureSkipTlsVerify, skip.caCerts], [true, undefined]);
  const authority = await loaded.clientConfig(undefined, { certificateAuthority: "/ca.crt", user: "second" });
  assert.equal(authority.caCerts, CERTIFICATE);
  const groups = await loaded.clientConfig(undefined, { user: "second", as: "x", asUid: "1", asGroups: ["g", "h"] });
  assert.equal(groups.headers?.length, 4);
});

for (
  const { name, text, at } of [
    { name: "a token", text: "users:\n- name: u\n  user:\n    token: hidden\n   exec: x\n", at: "line 5" },
    {
      name: "a token without its closing quote",
      text: 'users:\n- name: u\n  user:\n    token: "hidden\n',
      at: "line 5",
    },
    { name: "the proxy's password", text: "clusters: [{ cluster: { proxy-url: 'http://a:hidden@h' }\n", at: "line 2" },
  ]
) {
  Deno.test(`kubeconfig: invalid YAML at ${name}: the error names the place and quotes nothing`, async () => {
    const error = await configOf({ "/c": text }, ["/c"]).then(() => assert.fail("accepted"), (error: unknown) => error);
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(error.message.includes(at), error.message);
    assert.doesNotMatch(Deno.inspect(error), /hidden/);
  });
}

const POD = {
  "/var/run/secrets/kubernetes.io/serviceaccount/token": "pod-token",
  "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt": CERTIFICATE,
  "/var/run/secrets/kubernetes.io/serviceaccount/namespace": "team\n",
};
const POD_VARIABLES = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

Deno.test("in a pod: uses its service account's token, CA and namespace", async () => {
  const config = await inClusterConfig(world(POD, POD_VARIABLES));
  assert.equal(config.server, "https://10.96.0.1:443");
  assert.equal(config.namespace, "team");
  assert.equal(config.caCerts, CERTIFICATE.trim());
  assert.equal((await config.credentials.current()).authorization, "Bearer pod-token");
});

Deno.test("in a pod: API server has an IPv6 address: valid URL", async () => {
  const config = await inClusterConfig(world(POD, { ...POD_VARIABLES, KUBERNETES_SERVICE_HOST: "fd00::1" }));
  assert.equal(config.server, "https://[fd00::1]:443");
});

Deno.test("in a pod: flags of the user and a changed authority are used", async () => {
  const files = { ...POD };
  const config = await defaultConfig({
    ...world(files, POD_VARIABLES),
    overrides: { as: "jane", asGroups: ["a"], namespace: "other" },
  });
  assert.deepEqual(config.headers, [["Impersonate-User", "jane"], ["Impersonate-Group", "a"]]);
  assert.deepEqual([config.namespace, config.server], ["other", "https://10.96.0.1:443"]);
  const authority = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
  files[authority] = CERTIFICATE.replace("AAAA", "BBBB");
  assert.equal(await config.readCaCerts!(), files[authority].trim());
});

Deno.test("in a pod without a service account, or outside a pod: error with the remedy", async () => {
  await assert.rejects(inClusterConfig(world({}, POD_VARIABLES)), /automountServiceAccountToken/);
  await assert.rejects(inClusterConfig(world({}, {})), /isn't a pod.*Set KUBECONFIG/);
});

Deno.test("default configuration: KUBECONFIG, then the home directory, then the pod", async () => {
  const home = { "/home/a/.kube/config": kubeconfig("{ server: 'https://home' }") };
  const named = { "/named": kubeconfig("{ server: 'https://named' }") };
  const server = async (files: Record<string, string>, variables: Record<string, string>) =>
    (await defaultConfig(world(files, variables))).server;
  const all = { ...home, ...named, ...POD };
  assert.equal(await server(all, { KUBECONFIG: "/named", HOME: "/home/a", ...POD_VARIABLES }), "https://named");
  assert.equal(await server(all, { HOME: "/home/a", ...POD_VARIABLES }), "https://home");
  assert.equal(await server(POD, { HOME: "/home/a", ...POD_VARIABLES }), "https://10.96.0.1:443");
  assert.equal(await server(POD, POD_VARIABLES), "https://10.96.0.1:443");
  // A typo in KUBECONFIG must not lead to another cluster.
  await assert.rejects(
    server(all, { KUBECONFIG: "/typo", HOME: "/home/a", ...POD_VARIABLES }),
    /no kubeconfig at \/typo/,
  );
  await assert.rejects(server({}, { HOME: "/home/a" }), /no kubeconfig at \/home\/a\/.kube\/config/);
});
