import assert from "node:assert/strict";
import { FakeClock } from "../clock/mod.ts";
import { ApiError } from "./errors.ts";
import { fenced, type Lease, LeaseHolder, type LeaseHolderOptions, leaseIdentity, NotLeader } from "./lease.ts";
import type { JSONValue, RequestOptions, RestClient } from "./types.ts";

/** A server that keeps one Lease, with optimistic locking and watches. */
class LeaseServer implements RestClient {
  lease: Lease | undefined;
  /** Requests in the order they came, watches included. */
  readonly requests: string[] = [];
  /** Makes every request reject with it. */
  failure: Error | undefined;
  /** Runs before a request is answered. */
  before: ((request: RequestOptions) => void | Promise<void>) | undefined;
  refusesWatches = false;
  /** Whether its database is full: it takes no more writes. */
  full = false;
  #version = 100;
  readonly #watches = new Set<ReadableStreamDefaultController<Uint8Array>>();

  get holder(): string | undefined {
    return this.lease?.spec?.holderIdentity;
  }

  async performRequest(request: RequestOptions): Promise<JSONValue> {
    this.requests.push(request.method);
    await this.before?.(request);
    request.abortSignal?.throwIfAborted();
    if (this.failure) throw this.failure;
    const error = (code: number, reason: string) =>
      new ApiError(reason, { code, reason, method: request.method, path: request.path });
    const body = structuredClone(request.bodyJson) as Lease;
    // Optimistic locking comes first: the API server compares before it writes.
    const isStale = request.method === "PUT" && this.lease !== undefined &&
      body.metadata?.resourceVersion !== this.lease.metadata?.resourceVersion;
    if (this.full && request.method !== "GET" && !isStale) throw databaseFull(request);
    switch (request.method) {
      case "GET":
        if (!this.lease) throw error(404, "NotFound");
        break;
      case "POST":
        if (this.lease) throw error(409, "AlreadyExists");
        this.write(body);
        break;
      case "PUT":
        if (!this.lease) throw error(404, "NotFound");
        if (body.metadata?.resourceVersion !== this.lease.metadata?.resourceVersion) throw error(409, "Conflict");
        this.write(body);
        break;
      default:
        throw error(405, "MethodNotAllowed");
    }
    return structuredClone(this.lease) as unknown as JSONValue;
  }

  performStream(request: RequestOptions): Promise<ReadableStream<Uint8Array>> {
    this.requests.push("WATCH");
    if (this.failure) return Promise.reject(this.failure);
    if (this.refusesWatches) {
      return Promise.reject(
        new ApiError("no watch", { code: 403, reason: "Forbidden", method: "GET", path: request.path }),
      );
    }
    let watch: ReadableStreamDefaultController<Uint8Array>;
    return Promise.resolve(
      new ReadableStream<Uint8Array>({
        start: (controller) => {
          watch = controller;
          this.#watches.add(controller);
          request.abortSignal?.addEventListener("abort", () => {
            if (this.#watches.delete(controller)) controller.error(request.abortSignal!.reason);
          });
        },
        cancel: () => void this.#watches.delete(watch),
      }),
    );
  }

  get watches(): number {
    return this.#watches.size;
  }

  write(lease: Lease): void {
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: `${++this.#version}` } };
    this.#tell("MODIFIED", this.lease);
  }

  delete(): void {
    this.#tell("DELETED", this.lease!);
    this.lease = undefined;
  }

  endWatches(): void {
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
  }

  #tell(type: string, object: Lease): void {
    for (const watch of this.#watches) watch.enqueue(new TextEncoder().encode(JSON.stringify({ type, object }) + "\n"));
  }
}

/** As Kubernetes 1.34 passes it on from etcd 3.6. */
const databaseFull = ({ method, path }: RequestOptions) =>
  new ApiError("etcdserver: mvcc: database space exceeded", { code: 500, reason: "InternalError", method, path });

/** A fenced client, and what came through the fence. */
function behindFence(lease: LeaseHolder) {
  const sent: string[] = [];
  const rest = fenced({
    performRequest: ({ method, path }) => {
      sent.push(`${method} ${path}`);
      return Promise.resolve(null);
    },
    performStream: () => Promise.reject(new Error("none expected")),
  }, lease);
  const send = (method: RequestOptions["method"], path: string) => rest.performRequest({ method, path });
  return { sent, send };
}

function holder(server: RestClient, clock: FakeClock, identity: string, options: Partial<LeaseHolderOptions> = {}) {
  return new LeaseHolder({ rest: server, namespace: "team", name: "operator", identity, clock, ...options });
}

/** A holder that has acquired the lease. */
async function leading() {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const lease = holder(server, clock, "a");
  await lease.acquire(new AbortController().signal);
  return { server, clock, lease };
}

/** Acquires in the background; `done` says whether it has. */
function acquiring(lease: LeaseHolder, signal = new AbortController().signal) {
  const state = { done: false, waitedFor: [] as string[], acquired: Promise.resolve() };
  state.acquired = lease.acquire(signal, (other) => state.waitedFor.push(other)).then(() => void (state.done = true));
  return state;
}

Deno.test("the first holder creates the lease with all that people and others want to know", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  const lease = holder(server, clock, "a");
  assert.equal(lease.held(), false);
  await lease.acquire(new AbortController().signal);
  assert.ok(lease.held());
  assert.equal(lease.lost.aborted, false);
  assert.deepEqual(server.lease, {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "operator", resourceVersion: "101" },
    spec: {
      holderIdentity: "a",
      leaseDurationSeconds: 15,
      acquireTime: "2026-01-02T03:04:05.678000Z",
      renewTime: "2026-01-02T03:04:05.678000Z",
      leaseTransitions: 0,
    },
  });
  await lease.release();
  assert.equal(clock.pending, 0);
});

Deno.test("a holder renews every 5 s with one request, and nothing else", async () => {
  const { server, clock, lease } = await leading();
  server.requests.length = 0;
  await clock.advance(60_000);
  assert.deepEqual(server.requests, Array(12).fill("PUT"));
  assert.ok(lease.held());
  assert.equal(server.lease?.spec?.acquireTime, "2026-01-01T00:00:00.000000Z");
  assert.equal(server.lease?.spec?.renewTime, "2026-01-01T00:01:00.000000Z");
  await lease.release();
});

Deno.test("a second one waits, says for whom, and takes over at once after a release", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const first = holder(server, clock, "a");
  const second = holder(server, clock, "b");
  await first.acquire(new AbortController().signal);
  const waiting = acquiring(second);
  await clock.advance(60_000);
  assert.equal(waiting.done, false);
  assert.deepEqual(waiting.waitedFor, ["a"]);
  await first.release();
  assert.equal(first.held(), false);
  assert.equal(first.lost.aborted, false, "a release is no loss");
  await clock.advance(0);
  assert.ok(waiting.done);
  assert.equal(server.holder, "b");
  assert.equal(server.lease?.spec?.leaseTransitions, 1);
  assert.equal(server.watches, 0);
  await second.release();
  assert.equal(server.holder, "");
  assert.equal(clock.pending, 0);
});

Deno.test("a lease whose holder is silent is taken over after its duration by the waiter's own time", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  // The dead holder's clock was a day ahead, or behind: neither matters.
  for (const renewTime of ["2026-01-02T00:00:00.000000Z", "2025-12-31T00:00:00.000000Z"]) {
    server.write({
      metadata: { name: "operator" },
      spec: { holderIdentity: "dead", leaseDurationSeconds: 15, renewTime },
    });
    const lease = holder(server, clock, "b");
    const waiting = acquiring(lease);
    await clock.advance(14_999);
    assert.equal(waiting.done, false);
    await clock.advance(1);
    assert.ok(waiting.done);
    await lease.release();
  }
});

Deno.test("stepping the waiter's wall clock makes no lease run out", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "x", leaseDurationSeconds: 15 } });
  const stop = new AbortController();
  const waiting = acquiring(holder(server, clock, "b"), stop.signal);
  await clock.advance(1000);
  clock.step(86_400_000);
  await clock.advance(13_000);
  assert.equal(waiting.done, false);
  stop.abort(new Error("stopped"));
  await assert.rejects(waiting.acquired, /stopped/);
  assert.equal(clock.pending, 0);
  assert.equal(server.watches, 0);
});

Deno.test("a deleted lease is created anew: by a waiter, or by the holder at its next renewal", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "x", leaseDurationSeconds: 15 } });
  const lease = holder(server, clock, "b");
  const waiting = acquiring(lease);
  await clock.advance(1000);
  server.delete();
  await clock.advance(0);
  assert.ok(waiting.done);
  server.delete();
  await clock.advance(5000);
  assert.equal(server.holder, "b");
  assert.ok(lease.held());
  await lease.release();
});

Deno.test("of two that create the lease at the same time one leads, the other waits", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const [a, b] = [holder(server, clock, "a"), holder(server, clock, "b")];
  const stop = new AbortController();
  const [first, second] = [acquiring(a, stop.signal), acquiring(b, stop.signal)];
  await clock.advance(1000);
  assert.deepEqual([first.done, second.done], [true, false]);
  assert.deepEqual(second.waitedFor, ["a"]);
  stop.abort();
  await assert.rejects(second.acquired);
  await a.release();
});

Deno.test("without the right to watch, a waiter polls", async () => {
  const server = new LeaseServer();
  server.refusesWatches = true;
  const clock = new FakeClock();
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "x", leaseDurationSeconds: 15 } });
  const errors: unknown[] = [];
  const lease = holder(server, clock, "b", { onError: (error) => errors.push(error) });
  const waiting = acquiring(lease);
  await clock.advance(3000);
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "" } });
  await clock.advance(2000);
  assert.ok(waiting.done);
  assert.match(String(errors[0]), /no watch/);
  await lease.release();
});

Deno.test("a watch that the server ends is begun again without haste", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "x", leaseDurationSeconds: 60 } });
  const lease = holder(server, clock, "b");
  const waiting = acquiring(lease);
  await clock.advance(0);
  server.endWatches();
  await clock.advance(1999);
  assert.equal(server.requests.filter((request) => request === "WATCH").length, 1);
  await clock.advance(1);
  assert.equal(server.requests.filter((request) => request === "WATCH").length, 2);
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "" } });
  await clock.advance(0);
  assert.ok(waiting.done);
  await lease.release();
});

Deno.test("a server that is away while acquiring is told of and tried again", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  server.failure = new Error("away");
  const errors: unknown[] = [];
  const lease = holder(server, clock, "a", { onError: (error) => errors.push(error) });
  const waiting = acquiring(lease);
  await clock.advance(4000);
  assert.equal(errors.length, 3);
  server.failure = undefined;
  await clock.advance(2000);
  assert.ok(waiting.done);
  await lease.release();
});

Deno.test("where each answer takes 3 s the lease is renewed in time all the same", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  server.before = () => new Promise((resolve) => void clock.setTimer(3000, resolve));
  const lease = holder(server, clock, "a");
  const waiting = acquiring(lease);
  await clock.advance(6000);
  assert.ok(waiting.done, "asked, then written");
  for (let second = 0; second < 60; second++) {
    await clock.advance(1000);
    assert.ok(lease.held(), `lost after ${second} s: ${lease.lost.reason}`);
  }
  const released = lease.release();
  await clock.advance(6000);
  await released;
  assert.equal(clock.pending, 0);
});

Deno.test("a holder that can't renew stops after 10 s, while others wait until 15 s", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const first = holder(server, clock, "a", { onError: (error) => errors.push(error) });
  await first.acquire(new AbortController().signal);
  const seen: RestClient = {
    performRequest: (request) => {
      const { failure } = server;
      server.failure = undefined;
      return server.performRequest(request).finally(() => server.failure = failure);
    },
    performStream: (request) => {
      const { failure } = server;
      server.failure = undefined;
      return server.performStream(request).finally(() => server.failure = failure);
    },
  };
  const second = holder(seen, clock, "b");
  const waiting = acquiring(second);
  await clock.advance(0);
  server.failure = new Error("cut off");
  await clock.advance(9_999);
  assert.ok(first.held());
  await clock.advance(1);
  assert.equal(first.held(), false);
  assert.ok(first.lost.aborted);
  assert.ok(first.lost.reason instanceof NotLeader);
  assert.equal(
    first.lost.reason.message,
    "a lost the lease team/operator: no renewal of it succeeded for 10 s; the last try failed: cut off.",
  );
  assert.equal(errors.length, 3, "at 5, 7 and 9 s");
  assert.equal(waiting.done, false);
  await clock.advance(5_000);
  assert.ok(waiting.done);
  server.failure = undefined;
  await second.release();
  assert.equal(clock.pending, 0);
});

Deno.test("a renewal that hangs doesn't keep the lease held", async () => {
  const { server, clock, lease } = await leading();
  const gate = Promise.withResolvers<void>();
  const timeouts: (number | undefined)[] = [];
  server.before = ({ timeoutMs }) => {
    timeouts.push(timeoutMs);
    return gate.promise;
  };
  await clock.advance(10_000);
  assert.equal(lease.held(), false);
  assert.ok(lease.lost.aborted);
  assert.deepEqual(timeouts, [5_000], "the request itself has until the deadline");
  // The answer that comes too late doesn't bring leading back.
  gate.resolve();
  await clock.advance(0);
  assert.equal(lease.held(), false);
  assert.equal(clock.pending, 0);
});

Deno.test("a failed renewal is tried again in time, and then all is as before", async () => {
  const { server, clock, lease } = await leading();
  server.failure = new Error("hiccup");
  await clock.advance(6_000);
  server.failure = undefined;
  await clock.advance(60_000);
  assert.ok(lease.held());
  assert.equal(lease.lost.aborted, false);
  await lease.release();
});

Deno.test("a holder that finds another one in the lease stops at once", async () => {
  const { server, clock, lease } = await leading();
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "thief", leaseDurationSeconds: 15 } });
  await clock.advance(5_000);
  assert.equal(lease.held(), false);
  assert.match(lease.lost.reason.message, /thief holds it now/);
  assert.equal(clock.pending, 0);
  await lease.release();
  assert.equal(server.holder, "thief", "what isn't held isn't released");
});

Deno.test("a holder whose lease somebody edited goes on", async () => {
  const { server, clock, lease } = await leading();
  server.write({ ...server.lease, metadata: { ...server.lease?.metadata, labels: { note: "x" } } });
  await clock.advance(5_000);
  assert.ok(lease.held());
  assert.deepEqual(server.lease?.metadata?.labels, { note: "x" });
  server.write({ ...server.lease, metadata: { ...server.lease?.metadata, labels: { note: "y" } } });
  await lease.release();
  assert.equal(server.holder, "");
});

Deno.test("after a computer slept, nothing is held until a renewal shows that nobody else took over", async () => {
  const { server, clock, lease } = await leading();
  // Sleep shows as a wall clock that jumps ahead of the monotonic one.
  clock.step(600_000);
  assert.equal(lease.held(), false);
  assert.equal(lease.expiresInMs(), 0);
  await clock.advance(5_000);
  assert.ok(lease.held());

  clock.step(600_000);
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "b", leaseDurationSeconds: 15 } });
  await clock.advance(5_000);
  assert.equal(lease.held(), false);
  assert.ok(lease.lost.aborted);
});

Deno.test("after a jump of the clock a write waits for a renewal, which comes at once and but once", async () => {
  const { server, clock, lease } = await leading();
  const sent: string[] = [];
  const rest = fenced({
    defaultNamespace: "team",
    performRequest: ({ path }) => {
      sent.push(path);
      return Promise.resolve(null);
    },
    performStream: () => Promise.reject(new Error("none expected")),
  }, lease);
  const renewals = () => server.requests.filter((method) => method === "PUT").length;
  clock.step(600_000);
  const before = renewals();
  await Promise.all([
    rest.performRequest({ method: "POST", path: "/a" }),
    rest.performRequest({
      method: "POST",
      path: "/b",
    }),
  ]);
  assert.deepEqual(sent, ["/a", "/b"]);
  assert.equal(renewals() - before, 1);
  await clock.advance(5_000);
  assert.equal(renewals() - before, 2, "and the renewals go on as before");

  clock.step(600_000);
  server.failure = new Error("cut off");
  await assert.rejects(rest.performRequest({ method: "POST", path: "/c" }), NotLeader);
  server.failure = undefined;
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "b", leaseDurationSeconds: 15 } });
  await assert.rejects(rest.performRequest({ method: "POST", path: "/d" }), NotLeader);
  assert.ok(lease.lost.aborted);
  assert.equal(sent.length, 2);
});

Deno.test("a wall clock that is set back changes nothing", async () => {
  const { server, clock, lease } = await leading();
  clock.step(-86_400_000);
  server.failure = new Error("cut off");
  await clock.advance(10_000);
  assert.equal(lease.held(), false);
  assert.ok(lease.lost.aborted);
});

Deno.test("a release while a renewal is under way waits for it, and leaves the lease free", async () => {
  const { server, clock, lease } = await leading();
  const gate = Promise.withResolvers<void>();
  server.before = () => gate.promise;
  await clock.advance(5_000);
  const released = lease.release();
  assert.equal(lease.held(), false);
  gate.resolve();
  await released;
  assert.equal(server.holder, "");
  await clock.advance(60_000);
  assert.equal(server.holder, "");
  assert.equal(clock.pending, 0);
});

Deno.test("a release that the server doesn't take rejects, and the lease isn't held all the same", async () => {
  const server = new LeaseServer();
  const lease = holder(server, new FakeClock(), "a");
  await lease.acquire(new AbortController().signal);
  server.failure = new Error("away");
  await assert.rejects(lease.release(), /away/);
  assert.equal(lease.held(), false);
});

Deno.test("one that released or lost the lease can acquire it again, with a new signal", async () => {
  const { server, clock, lease } = await leading();
  await assert.rejects(lease.acquire(new AbortController().signal), /holds the lease operator already/);
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "thief", leaseDurationSeconds: 15 } });
  await clock.advance(5_000);
  const { lost } = lease;
  assert.ok(lost.aborted);
  const again = acquiring(lease);
  await clock.advance(15_000);
  assert.ok(again.done);
  assert.equal(lease.lost.aborted, false);
  await lease.release();
});

Deno.test("a fenced client refuses writes, not reads, when the lease isn't held", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const lease = holder(server, clock, "a");
  const sent: RequestOptions[] = [];
  const rest = fenced({
    defaultNamespace: "team",
    performRequest: (request) => {
      sent.push(request);
      return Promise.resolve(null);
    },
    performStream: (request) => {
      sent.push(request);
      return Promise.resolve(new ReadableStream());
    },
  }, lease);
  assert.equal(rest.defaultNamespace, "team");
  const path = "/api/v1/namespaces";
  await rest.performRequest({ method: "GET", path });
  await rest.performStream({ method: "GET", path });
  for (const method of ["POST", "PUT", "PATCH", "DELETE"] as const) {
    await assert.rejects(rest.performRequest({ method, path }), NotLeader);
    await assert.rejects(rest.performStream({ method, path }), NotLeader);
  }
  assert.equal(sent.length, 2);

  await lease.acquire(new AbortController().signal);
  await clock.advance(4_000);
  await rest.performRequest({ method: "POST", path });
  await rest.performRequest({ method: "POST", path, timeoutMs: 500 });
  assert.deepEqual(sent.slice(2).map(({ timeoutMs }) => timeoutMs), [11_000, 500], "no write outlives the lease");
  await lease.release();
  await assert.rejects(
    rest.performRequest({ method: "POST", path }),
    /POST \/api\/v1\/namespaces wasn't sent: a doesn't/,
  );
});

Deno.test("each renewal tells of the lease as the server has it, the first included", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const told: (string | undefined)[] = [];
  const lease = holder(server, clock, "a", { onRenewed: ({ metadata }) => told.push(metadata?.resourceVersion) });
  await lease.acquire(new AbortController().signal);
  assert.deepEqual(told, [server.lease!.metadata!.resourceVersion]);
  await clock.advance(10_000);
  assert.equal(told.length, 3);
  assert.equal(told.at(-1), server.lease!.metadata!.resourceVersion);
  server.failure = new Error("gone");
  await clock.advance(5_000);
  assert.equal(told.length, 3, "a renewal that failed tells nothing");
});

Deno.test("while the database is full the last holder goes on with deletes, and nobody else with anything", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const told: boolean[] = [];
  const first = holder(server, clock, "a", { onDeletesOnly: (is) => told.push(is) });
  await first.acquire(new AbortController().signal);
  const second = holder(server, clock, "b");
  const waiting = acquiring(second);
  await clock.advance(0);
  const [a, b] = [behindFence(first), behindFence(second)];
  server.full = true;
  await clock.advance(9_000);
  assert.ok(first.held());
  assert.deepEqual(told, []);
  await clock.advance(600_000);
  assert.deepEqual([first.held(), first.lost.aborted, waiting.done, told], [false, false, false, [true]]);

  await a.send("DELETE", "/binding");
  for (const method of ["POST", "PUT", "PATCH"] as const) await assert.rejects(a.send(method, "/quota"), NotLeader);
  await assert.rejects(b.send("DELETE", "/binding"), NotLeader);
  assert.deepEqual([a.sent, b.sent], [["DELETE /binding"], []]);

  // There is room again: whoever comes first leads, and the other does nothing any more.
  server.full = false;
  await clock.advance(2_000);
  assert.equal(first.held(), !waiting.done);
  assert.equal(second.held(), waiting.done);
  assert.equal(first.lost.aborted, waiting.done);
});

Deno.test("the last holder of a full database leads again as soon as there is room, where nobody else was faster", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const told: boolean[] = [];
  const lease = holder(server, clock, "a", { onDeletesOnly: (is) => told.push(is) });
  await lease.acquire(new AbortController().signal);
  server.full = true;
  await clock.advance(60_000);
  server.full = false;
  await clock.advance(2_000);
  assert.deepEqual([lease.held(), lease.lost.aborted, told], [true, false, [true, false]]);
  await behindFence(lease).send("POST", "/quota");
  await clock.advance(60_000);
  assert.ok(lease.held());
  await lease.release();
  assert.equal(clock.pending, 0);
});

Deno.test("of a full database no delete is sent once another holds the lease, even before a renewal has shown it", async () => {
  const { server, clock, lease } = await leading();
  server.full = true;
  await clock.advance(20_000);
  // Room came, another took the lease, and the database is full again; a stale read of the server hides it from writes.
  server.before = ({ method, path }) => {
    if (method === "PUT") throw databaseFull({ method, path });
  };
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "b", leaseDurationSeconds: 15 } });
  const { sent, send } = behindFence(lease);
  await assert.rejects(send("DELETE", "/binding"), NotLeader);
  assert.deepEqual(sent, []);
  assert.match(lease.lost.reason.message, /b holds it now/);
  assert.equal(clock.pending, 0);
});

Deno.test("a holder whose renewals fail of anything but a full database deletes nothing after its time", async () => {
  const refused = new ApiError("no", { code: 500, reason: "InternalError", method: "PUT", path: "/" });
  for (const failure of [new Error("cut off"), refused]) {
    const server = new LeaseServer();
    const clock = new FakeClock();
    const lease = holder(server, clock, "a");
    await lease.acquire(new AbortController().signal);
    server.full = true;
    await clock.advance(20_000);
    assert.equal(lease.lost.aborted, false);
    server.failure = failure;
    await clock.advance(2_000);
    assert.match(
      lease.lost.reason.message,
      /no renewal of it succeeded for 10 s; the last try failed: (cut off|no)\.$/,
    );
    await assert.rejects(behindFence(lease).send("DELETE", "/binding"), NotLeader);
    assert.equal(clock.pending, 0);
  }
});

Deno.test("an identity names host and process, and is never the same twice", () => {
  assert.match(leaseIdentity("host-a"), new RegExp(`^host-a_${Deno.pid}_[0-9a-f]{8}$`));
  assert.notEqual(leaseIdentity("h"), leaseIdentity("h"));
});
