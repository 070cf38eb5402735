import assert from "node:assert/strict";
import { namesTried, parseClusterName } from "./cluster_names.ts";

const tried = (name: string, spec: Record<string, unknown> = {}) =>
  namesTried(name, { spec: { containers: [], ...spec } }, "guest-a", "cluster.local");

Deno.test("a short name: the namespace first, and the name itself last", () => {
  assert.deepEqual(tried("redis"), [
    "redis.guest-a.svc.cluster.local",
    "redis.svc.cluster.local",
    "redis.cluster.local",
    "redis",
  ]);
});

Deno.test("a name with as many dots as ndots: itself first; with a dot at its end: only itself", () => {
  assert.equal(tried("a.b.c.d.e.f")[0], "a.b.c.d.e.f");
  assert.equal(
    tried("www.example.org", { dnsConfig: { options: [{ name: "ndots", value: "1" }] } })[0],
    "www.example.org",
  );
  assert.deepEqual(tried("redis.guest-a.svc.cluster.local."), ["redis.guest-a.svc.cluster.local"]);
});

Deno.test("another DNS policy: only the searches of the pod", () => {
  assert.deepEqual(tried("redis", { dnsPolicy: "Default" }), ["redis"]);
  const dnsConfig = { nameservers: ["192.0.2.1"], searches: ["example.org."] };
  assert.deepEqual(tried("redis", { dnsPolicy: "None", dnsConfig }), ["redis.example.org", "redis"]);
});

Deno.test("names of the cluster's domain are parsed; others aren't", () => {
  const parsed = (name: string) => parseClusterName(name, "cluster.local");
  assert.deepEqual(parsed("Redis.guest-a.svc.cluster.local"), { kind: "service", namespace: "guest-a", name: "redis" });
  assert.deepEqual(parsed("redis-0.redis.guest-a.svc.cluster.local"), {
    kind: "service",
    namespace: "guest-a",
    name: "redis",
    endpoint: "redis-0",
  });
  assert.deepEqual(parsed("10-1-0-2.guest-a.pod.cluster.local"), { kind: "address", ip: "10.1.0.2" });
  assert.deepEqual(parsed("fd00--2.guest-a.pod.cluster.local"), { kind: "address", ip: "fd00::2" });
  for (
    const none of ["cluster.local", "guest-a.svc.cluster.local", "x.y.pod.cluster.local", "a.b.c.d.svc.cluster.local"]
  ) {
    assert.deepEqual(parsed(none), { kind: "none" }, none);
  }
  assert.equal(parsed("redis.guest-a.svc.other.domain"), undefined);
  assert.equal(parsed("my-cluster.local"), undefined);
});
