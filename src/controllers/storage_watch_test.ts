import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { ApiError, type RequestOptions, type RestClient } from "../../lib/kubernetes/mod.ts";
import { parseSettings } from "../api/mod.ts";
import type { GuestWrites } from "../core/facts.ts";
import { StorageWatch } from "./storage_watch.ts";

const GiB = 2 ** 30;
const pageOf = (...sizes: number[]): string =>
  [
    "# TYPE apiserver_storage_objects gauge",
    'apiserver_storage_objects{resource="pods"} 1',
    ...sizes.map((bytes, at) => `apiserver_storage_size_bytes{storage_cluster_id="etcd-${at}"} ${bytes}`),
    "apiserver_tls_handshake_errors_total 0",
    "",
  ].join("\n");

interface Ground {
  watch: StorageWatch;
  clock: FakeClock;
  requests: RequestOptions[];
  read: number[];
  said: string[];
  world: { page: string | Error; guests: boolean; writes: GuestWrites };
  /** Renews the Lease and waits for the consequences. */
  renewal: (revision: number) => Promise<void>;
}

function ground(storage = {}): Ground {
  const world: Ground["world"] = { page: pageOf(0.2 * GiB), guests: true, writes: "Open" };
  const requests: RequestOptions[] = [];
  const [read, said]: [number[], string[]] = [[], []];
  const clock = new FakeClock();
  const rest: RestClient = {
    performRequest: () => Promise.reject(new Error("not asked for")),
    performStream: (request) => {
      requests.push(request);
      if (world.page instanceof Error) return Promise.reject(world.page);
      const bytes = new TextEncoder().encode(world.page);
      // Cut in the middle of lines.
      const chunks = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.slice(at * 7, at * 7 + 7));
      return Promise.resolve(ReadableStream.from(chunks));
    },
  };
  const watch = new StorageWatch({
    rest,
    rules: parseSettings({ storage }).storage,
    clock,
    signal: new AbortController().signal,
    hasGuests: () => world.guests,
    guestWrites: () => world.writes,
    onRead: (bytes) => read.push(bytes),
    onUnreadable: (error) => said.push((error as Error).message),
  });
  const renewal = async (revision: number) => {
    await clock.advance(5000);
    watch.written(String(revision));
    await watch.ended();
  };
  return { watch, clock, requests, read, said, world, renewal };
}

Deno.test("storage watch: an hour with few writes: one reading, of the largest database", async () => {
  const { watch, renewal, requests, read, world } = ground();
  world.page = pageOf(5, 0.2 * GiB, 7);
  for (let at = 0; at < 720; at++) await renewal(1000 + Math.floor(at / 2));
  assert.deepEqual(read, [0.2 * GiB]);
  assert.equal(watch.bytes, 0.2 * GiB);
  assert.deepEqual(requests.map(({ method, path, querystring }) => `${method} ${path}?${querystring}`), [
    "GET /metrics?name%5B%5D=apiserver_storage_size_bytes",
  ]);
});

Deno.test("storage watch: no guests: nothing is read unless their writes are closed", async () => {
  const { renewal, requests, world } = ground();
  world.guests = false;
  for (let at = 0; at < 100; at++) await renewal(at * 10_000);
  assert.equal(requests.length, 0);
  world.writes = "Closed";
  await renewal(1);
  await renewal(1);
  assert.equal(requests.length, 1);
});

Deno.test("storage watch: quota is not set: nothing is read", async () => {
  const { renewal, requests } = ground({ quotaBackendBytes: null });
  for (let at = 0; at < 100; at++) await renewal(at * 10_000);
  assert.equal(requests.length, 0);
});

Deno.test("storage watch: server refuses: asked six times an hour, reported once", async () => {
  const { watch, renewal, requests, said, world } = ground();
  world.page = new ApiError("forbidden", { code: 403, reason: "Forbidden", method: "GET", path: "/metrics" });
  for (let at = 0; at < 720; at++) await renewal(at * 1000);
  assert.equal(requests.length, 6);
  assert.equal(said.length, 1);
  assert.equal(watch.bytes, undefined);
  world.page = pageOf(GiB);
  for (let at = 0; at < 120; at++) await renewal(at * 1000);
  assert.equal(watch.bytes, GiB);
  world.page = pageOf();
  for (let at = 0; at < 120; at++) await renewal(at * 1000);
  assert.match(said[1]!, /have no apiserver_storage_size_bytes/);
  assert.equal(watch.bytes, GiB, "the last reading stays");
});

Deno.test("storage watch: server is briefly unreachable: asked again at the next renewal", async () => {
  const { watch, renewal, world, said } = ground();
  world.page = new Error("connection reset");
  await renewal(1);
  world.page = pageOf(7);
  await renewal(2);
  assert.equal(watch.bytes, 7);
  assert.equal(said.length, 1);
});

Deno.test("storage watch: leads again: reads again", async () => {
  const { watch, renewal, requests } = ground();
  await renewal(1);
  watch.forget();
  assert.equal(watch.bytes, undefined);
  await renewal(2);
  assert.equal(requests.length, 2);
});
