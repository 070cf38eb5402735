import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/simulation/random.ts";
import { type PathScope, refusedPath } from "./allowed_path.ts";
import { realmPath } from "./realm_path.ts";

const bob: PathScope = { realm: "bob", namespace: "guest-bob", grants: ["alice-to-bob", "more"] };
const own = "/api/v1/namespaces/guest-bob";
const apps = "/apis/apps/v1/namespaces/guest-bob";
const keystone = "/apis/keystone.io/v1alpha1";

const allowed: [string, string][] = [
  // Discovery, as kubectl and helm ask for it.
  ...["/version", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/apis/metrics.k8s.io/v1beta1"],
  ...["/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/apis/apps/v1", "/openapi/v3/version"],
].map((path) => ["GET", path]);
allowed.push(
  ["HEAD", "/version"],
  // kubectl auth whoami, can-i and can-i --list.
  ["POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews"],
  ["POST", "/apis/authentication.k8s.io/v1beta1/selfsubjectreviews"],
  ["POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"],
  ["POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"],
  // Objects of the namespace.
  ["GET", own],
  ["GET", `${own}/pods`],
  ["GET", `${own}/pods/web-1`],
  ["POST", `${own}/configmaps`],
  ["PATCH", `${apps}/deployments/web`],
  ["PUT", `${apps}/deployments/web/scale`],
  ["DELETE", `${own}/pods`],
  ["GET", `${own}/pods/web/log`],
  ["GET", `${own}/pods/web/exec`],
  ["POST", `${own}/pods/web/exec`],
  ["POST", `${own}/pods/web/attach`],
  ["POST", `${own}/pods/web/portforward`],
  ["POST", `${own}/pods/web/eviction`],
  ["GET", "/apis/metrics.k8s.io/v1beta1/namespaces/guest-bob/pods"],
  ["GET", `${own}/secrets/sh.helm.release.v1.web.v1`],
  ["GET", `/apis/rbac.authorization.k8s.io/v1/namespaces/guest-bob/roles/system:x`],
  // A custom resource may have any label as its version and its resource.
  ["GET", "/apis/storage.azure.com/v1api20230101preview/namespaces/guest-bob/storage-accounts/a"],
  // What Alice lends.
  ["GET", `${keystone}/realms/bob`],
  ["GET", `${keystone}/grants/alice-to-bob`],
  ["GET", `${keystone}/grants/more`],
);
for (const [method, path] of allowed) {
  Deno.test(`path ${method} ${path}: allowed`, () => {
    assert.equal(refusedPath(method, path, bob), undefined);
  });
}

const refused: [string, string][] = [
  // Of others.
  ["GET", "/api/v1/namespaces"],
  ["GET", "/api/v1/namespaces/guest-alice"],
  ["GET", "/api/v1/namespaces/guest-bob2/pods"],
  ["GET", "/api/v1/namespaces/kube-system/secrets"],
  ["GET", "/api/v1/pods"],
  ["GET", "/api/v1/nodes"],
  ["GET", "/api/v1/nodes/a/proxy/metrics"],
  ["GET", `${keystone}/realms`],
  ["GET", `${keystone}/realms/alice`],
  ["GET", `${keystone}/realms/bob/status`],
  ["GET", `${keystone}/grants`],
  ["GET", `${keystone}/grants/alice-to-carol`],
  ["GET", `${keystone}/superentities/pool`],
  ["POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"],
  ["POST", `/apis/authorization.k8s.io/v1/namespaces/guest-alice/localsubjectaccessreviews`],
  ["POST", "/apis/authentication.k8s.io/v1/tokenreviews"],
  // kubectl get --raw.
  ...["/", "/healthz", "/livez", "/readyz", "/metrics", "/logs", "/debug/pprof", "/.well-known/openid-configuration"]
    .map(
      (path): [string, string] => ["GET", path],
    ),
  ["GET", "/openid/v1/jwks"],
  ["GET", "/swagger-2.0.0.pb-v1"],
  ["GET", "/openapi"],
  ["GET", "/version/x"],
  ["GET", "/api/v2"],
  // Legacy watches.
  ["GET", "/api/v1/watch/namespaces/guest-bob/pods"],
  ["GET", "/api/v1/watch/namespaces/guest-bob"],
  ["GET", "/api/v1/watch/pods"],
  ["GET", "/apis/apps/v1/watch/namespaces/guest-bob/deployments"],
  ["GET", "/api/v1/proxy/namespaces/guest-bob/pods/web"],
  ["GET", "/api/v1/redirect/namespaces/guest-bob/pods/web"],
  // Subresources.
  ["GET", `${own}/pods/web/proxy`],
  ["GET", `${own}/pods/web/proxy/index.html`],
  ["GET", `${own}/services/web:80/proxy/`],
  ["POST", `${own}/services/https:web:443/proxy/a/b`],
  ["POST", `${own}/serviceaccounts/default/token`],
  ["POST", `${own}/pods/web/binding`],
  ["PATCH", `${own}/pods/web/ephemeralcontainers`],
  ["GET", `${own}/pods/web/log/x`],
  ["PUT", `${own}/finalize`],
  ["PUT", `${own}/status`],
  ["GET", `${own}/status`],
  ["DELETE", `${own}/namespaces/kube-system`],
  // The namespace itself, and what can only be read.
  ["DELETE", own],
  ["PATCH", own],
  ["PUT", `${keystone}/grants/alice-to-bob`],
  ["DELETE", `${keystone}/realms/bob`],
  ["POST", "/api"],
  ["GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"],
  ["GET", "/apis/apps/v1/namespaces/guest-bob"],
  // Other writings of an allowed path.
  ["GET", `${own}/`],
  ["GET", `${own}/pods/`],
  ["GET", "//api"],
  ["GET", "/api//v1/namespaces/guest-bob/pods"],
  ["GET", `${own}//pods`],
  ["GET", `${own}/../guest-alice/pods`],
  ["GET", `${own}/pods/../../guest-alice/pods/x`],
  ["GET", `${own}/pods/..`],
  ["GET", `${own}/./pods`],
  ["GET", `${own}/%2e%2e/guest-alice/pods`],
  ["GET", `${own}%2F`],
  ["GET", `${own};a=b/pods`],
  ["GET", `${own}/pods;a`],
  ["GET", `${own}\\pods`],
  ["GET", "/API/v1"],
  ["GET", "/api/V1/namespaces/guest-bob/pods"],
  ["GET", "/api/v1/Namespaces/guest-bob/pods"],
  ["GET", "/api/v1/namespaces/Guest-Bob/pods"],
  ["GET", `${own}/Pods`],
  ["GET", `${own}/pods\n`],
  ["GET", `${own}/pods?x`],
  ["GET", ` ${own}`],
  ["GET", ""],
  // Methods.
  ["OPTIONS", "/api"],
  ["CONNECT", `${own}/pods/web/exec`],
  ["get", own],
  ["", own],
];
for (const [method, path] of refused) {
  Deno.test(`path ${method} ${JSON.stringify(path)}: refused`, () => {
    assert.match(refusedPath(method, path, bob) ?? "", /\.$/);
  });
}

Deno.test("path that is refused: the sentence names what is served", () => {
  assert.equal(
    refusedPath("GET", "/api/v1/namespaces/kube-system/pods", bob),
    "The namespace kube-system is not served here; for the realm bob these are: discovery, the namespace guest-bob, and " +
      "its own Realm and Grants by name, if a role of the lender allows it.",
  );
});

Deno.test("path of a long name: parsed at once", () => {
  const began = performance.now();
  for (
    const path of [
      `/apis/${"a.".repeat(30_000)}`,
      `/apis/${"a-".repeat(30_000)}/v1`,
      `${own}/pods/${"a".repeat(60_000)}!`,
    ]
  ) {
    assert.ok(refusedPath("GET", path, bob));
  }
  assert.ok(performance.now() - began < 500, `${performance.now() - began} ms`);
});

/** Attributes of a request as the API server finds them (`RequestInfoFactory` of k8s.io/apiserver). */
function requestInfo(path: string) {
  const [prefix = "", ...rest] = path.split("/").filter((part) => part !== "");
  const own = prefix === "apis" ? rest.slice(1) : rest;
  if ((prefix !== "api" && prefix !== "apis") || own.length < 2) return { isResource: false };
  const group = prefix === "apis" ? rest[0] : "";
  let [, ...parts] = own;
  const verb = parts[0] === "watch" || parts[0] === "proxy" ? parts.shift() : undefined;
  const namespace = parts[0] === "namespaces" ? parts[1] : undefined;
  if (namespace !== undefined && parts.length > 2 && !["status", "finalize"].includes(parts[2]!)) {
    parts = parts.slice(2);
  }
  const [resource, name, subresource] = parts;
  return { isResource: true, group, verb, namespace, resource, name, subresource };
}

Deno.test("100,000 random paths: each that is allowed is the guest's in the API server's reading, too", () => {
  const random = new SeededRandom(2);
  const parts = [
    ...["api", "apis", "v1", "apps", "namespaces", "guest-bob", "guest-alice", "kube-system", "pods", "web", "exec"],
    ...["watch", "proxy", "status", "finalize", "token", "keystone.io", "v1alpha1", "realms", "grants", "bob", "alice"],
    ...[
      "alice-to-bob",
      "version",
      "openapi",
      "v3",
      "nodes",
      "secrets",
      "authorization.k8s.io",
      "selfsubjectaccessreviews",
    ],
    ...["subjectaccessreviews", "..", ".", "", "%2e", "a;b"],
  ];
  const beginnings = [
    "",
    "/api/v1",
    "/apis/apps/v1",
    own,
    apps,
    `${own}/pods/web`,
    keystone,
    "/apis/authorization.k8s.io/v1",
  ];
  const kinds = { resource: 0, discovery: 0 };
  for (let round = 0; round < 100_000; round++) {
    const more = Array.from({ length: random.below(5) }, () => `/${random.of(parts)}`).join("");
    const path = random.of(beginnings) + more;
    const method = random.of(["GET", "POST", "DELETE"]);
    if (refusedPath(method, path, bob) !== undefined) continue;
    const info = requestInfo(path);
    const said = JSON.stringify({ method, path, ...info });
    if (!info.isResource) {
      kinds.discovery++;
      assert.ok(method === "GET" && /^\/(version|api|apis|openapi)(\/|$)/.test(path), said);
      continue;
    }
    kinds.resource++;
    assert.equal(info.verb, undefined, said);
    assert.ok(!["proxy", "token"].includes(info.subresource ?? ""), said);
    if (info.resource === "namespaces") {
      assert.ok(method === "GET" && info.name === "guest-bob" && !info.subresource, said);
    } else if (info.namespace === undefined) {
      const isOwn = info.resource === "realms" ? info.name === "bob" : bob.grants.includes(info.name ?? "");
      assert.ok(method === "GET" ? info.group === "keystone.io" && isOwn : /^selfsubject/.test(info.resource!), said);
    } else assert.equal(info.namespace, "guest-bob", said);
  }
  for (const count of Object.values(kinds)) assert.ok(count > 1000, JSON.stringify(kinds));
});

/** "=" and "," as a URL has them. */
const [is, and] = ["%3D", "%2C"];

for (
  const [path, query] of [
    ["grants", `fieldSelector=metadata.name${is}alice-to-bob`],
    ["grants", `allowWatchBookmarks=true&fieldSelector=metadata.name${is}more&resourceVersion=7&watch=true`],
    ["grants", "fieldSelector=metadata.name=more"],
    ["realms", `fieldSelector=metadata.name${is}bob&limit=500`],
  ] as const
) {
  Deno.test(`own object by name: ${path}?${query}: allowed to read`, () => {
    assert.equal(refusedPath("GET", `${keystone}/${path}`, bob, query), undefined);
    assert.match(refusedPath("DELETE", `${keystone}/${path}`, bob, query)!, /not served here/);
  });
}

for (
  const [path, query] of [
    ["grants", ""],
    ["grants", "watch=true"],
    ["grants", `fieldSelector=metadata.name${is}alice-to-carol`],
    ["grants", `fieldSelector=metadata.name${is}alice-to-bob${and}spec.x${is}1`],
    ["grants", `fieldSelector=metadata.name!${is}more`],
    ["grants", `fieldSelector=metadata.name${is}${is}more`],
    ["grants", `fieldSelector=metadata.name${is}more&fieldSelector=`],
    ["grants", `fieldSelector=&fieldSelector=metadata.name${is}more`],
    ["grants", `fieldSelector=metadata.name${is}more&%66${"fieldSelector".slice(1)}=a`],
    ["grants", `fieldSelector=metadata.name${is}more;x=1`],
    ["grants", `labelSelector=metadata.name${is}more`],
    ["grants", `fieldSelector=metadata.name${is}bob`],
    ["realms", `fieldSelector=metadata.name${is}alice`],
    ["realms", `fieldSelector=metadata.name${is}more`],
    ["superentities", `fieldSelector=metadata.name${is}bob`],
  ] as const
) {
  Deno.test(`${path}?${query}: refused`, () => {
    assert.match(refusedPath("GET", `${keystone}/${path}`, bob, query)!, /not served here/);
  });
}

const realmPaths: [string, ReturnType<typeof realmPath>][] = [
  ["/k8s/bob-home/api/v1", { realm: "bob-home", path: "/api/v1" }],
  ["/k8s/bob-home", { realm: "bob-home", path: "/" }],
  ["/k8s/bob-home/", { realm: "bob-home", path: "/" }],
  ["/k8s/bob-home/k8s/alice/api", { realm: "bob-home", path: "/k8s/alice/api" }],
  ["/k8s", undefined],
  ["/k8s/", undefined],
  ["/k8s/Bob/api", undefined],
  ["/k8s//api", undefined],
  ["/K8S/bob/api", undefined],
  ["/x/k8s/bob/api", undefined],
  ["/k8sx/bob/api", undefined],
  ["/k8s/bob.home/api", undefined],
];
for (const [path, expected] of realmPaths) {
  Deno.test(`path ${path}: ${expected ? `realm ${expected.realm}, ${expected.path}` : "of no realm"}`, () => {
    assert.deepEqual(realmPath(path), expected);
  });
}
