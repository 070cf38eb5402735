import assert from "node:assert/strict";
import { FakeClock } from "../clock/mod.ts";
import { ApiError } from "./errors.ts";
import { fenced, type Lease, LeaseHolder, type LeaseHolderOptions, leaseIdentity, NotLeader } from "./lease.ts";
import type { JSONValue, RequestOptions, RestClient } from "./types.ts";

/** A server with one Lease, optimistic locking and watches. */
class LeaseServer implements RestClient {
  lease: Lease | undefined;
  /** Requests in order, including watches. */
  readonly requests: string[] = [];
  /** Error that every request rejects with. */
  failure: Error | undefined;
  /** Called before a request is answered. */
  before: ((request: RequestOptions) => void | Promise<void>) | undefined;
  refusesWatches = false;
  /** True if its database is full: it accepts no writes. */
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

/** The error as Kubernetes 1.34 passes it on from etcd 3.6. */
const databaseFull = ({ method, path }: RequestOptions) =>
  new ApiError("etcdserver: mvcc: database space exceeded", { code: 500, reason: "InternalError", method, path });

/** A fenced client, with the requests that passed the fence. */
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

/** Returns a holder that has acquired the Lease. */
async function leading() {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const lease = holder(server, clock, "a");
  await lease.acquire(new AbortController().signal);
  return { server, clock, lease };
}

/** Acquires in the background; `done` is true once it has. */
function acquiring(lease: LeaseHolder, signal = new AbortController().signal) {
  const state = { done: false, waitedFor: [] as string[], acquired: Promise.resolve() };
  state.acquired = lease.acquire(signal, (other) => state.waitedFor.push(other)).then(() => void (state.done = true));
  return state;
}

Deno.test("lease: no Lease exists: the first holder creates it with all fields", async () => {
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

Deno.test("lease: held: renewed every 5 s with one request", async () => {
  const { server, clock, lease } = await leading();
  server.requests.length = 0;
  await clock.advance(60_000);
  assert.deepEqual(server.requests, Array(12).fill("PUT"));
  assert.ok(lease.held());
  assert.equal(server.lease?.spec?.acquireTime, "2026-01-01T00:00:00.000000Z");
  assert.equal(server.lease?.spec?.renewTime, "2026-01-01T00:01:00.000000Z");
  await lease.release();
});

Deno.test("lease: second candidate: waits, names the holder, takes over at once after a release", async () => {
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

Deno.test("lease: holder is silent: taken over after its duration on the waiter's clock", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  // The former holder's clock was a day ahead, or behind: neither matters.
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

Deno.test("lease: waiter's wall clock jumps: the Lease doesn't expire", async () => {
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

Deno.test("lease: Lease is deleted: created again by a waiter, or by the holder at its next renewal", async () => {
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

Deno.test("lease: two create it at the same time: one leads, the other waits", async () => {
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

Deno.test("lease: no permission to watch: the waiter polls", async () => {
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

Deno.test("lease: server ends the watch: started again after a pause", async () => {
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

Deno.test("lease: server is unreachable while acquiring: reported and retried", async () => {
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

Deno.test("lease: each response takes 3 s: renewed in time", async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  server.before = () => new Promise((resolve) => void clock.setTimer(3000, resolve));
  const lease = holder(server, clock, "a");
  const waiting = acquiring(lease);
  await clock.advance(6000);
  assert.ok(waiting.done, "read, then written");
  for (let second = 0; second < 60; second++) {
    await clock.advance(1000);
    assert.ok(lease.held(), `lost after ${second} s: ${lease.lost.reason}`);
  }
  const released = lease.release();
  await clock.advance(6000);
  await released;
  assert.equal(clock.pending, 0);
});

Deno.test("lease: holder can't renew: stops after 10 s, others wait for 15 s", async () => {
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
    "a lost the lease team/operator: no renewal of it succeeded for 10 s; the last attempt failed: cut off.",
  );
  assert.equal(errors.length, 3, "at 5, 7 and 9 s");
  assert.equal(waiting.done, false);
  await clock.advance(5_000);
  assert.ok(waiting.done);
  server.failure = undefined;
  await second.release();
  assert.equal(clock.pending, 0);
});

Deno.test("lease: renewal hangs: the Lease isn't held after the deadline", async () => {
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
  // A response that arrives too late doesn't restore the term.
  gate.resolve();
  await clock.advance(0);
  assert.equal(lease.held(), false);
  assert.equal(clock.pending, 0);
});

Deno.test("lease: renewal fails: retried in time, then as before", async () => {
  const { server, clock, lease } = await leading();
  server.failure = new Error("hiccup");
  await clock.advance(6_000);
  server.failure = undefined;
  await clock.advance(60_000);
  assert.ok(lease.held());
  assert.equal(lease.lost.aborted, false);
  await lease.release();
});

Deno.test("lease: holder finds another one in the Lease: stops at once", async () => {
  const { server, clock, lease } = await leading();
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "thief", leaseDurationSeconds: 15 } });
  await clock.advance(5_000);
  assert.equal(lease.held(), false);
  assert.match(lease.lost.reason.message, /thief holds it now/);
  assert.equal(clock.pending, 0);
  await lease.release();
  assert.equal(server.holder, "thief", "a Lease that isn't held isn't released");
});

Deno.test("lease: somebody edited the Lease: its holder continues", async () => {
  const { server, clock, lease } = await leading();
  server.write({ ...server.lease, metadata: { ...server.lease?.metadata, labels: { note: "x" } } });
  await clock.advance(5_000);
  assert.ok(lease.held());
  assert.deepEqual(server.lease?.metadata?.labels, { note: "x" });
  server.write({ ...server.lease, metadata: { ...server.lease?.metadata, labels: { note: "y" } } });
  await lease.release();
  assert.equal(server.holder, "");
});

Deno.test("lease: computer slept: not held until a renewal shows that nobody else took over", async () => {
  const { server, clock, lease } = await leading();
  // Sleep looks like a wall clock that jumps ahead of the monotonic one.
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

Deno.test("lease: clock jumps: a write waits for a renewal, which is sent at once and once", async () => {
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
  assert.equal(renewals() - before, 2, "renewals continue as before");

  clock.step(600_000);
  server.failure = new Error("cut off");
  await assert.rejects(rest.performRequest({ method: "POST", path: "/c" }), NotLeader);
  server.failure = undefined;
  server.write({ metadata: { name: "operator" }, spec: { holderIdentity: "b", leaseDurationSeconds: 15 } });
  await assert.rejects(rest.performRequest({ method: "POST", path: "/d" }), NotLeader);
  assert.ok(lease.lost.aborted);
  assert.equal(sent.length, 2);
});

Deno.test("lease: wall clock is set back: no effect", async () => {
  const { server, clock, lease } = await leading();
  clock.step(-86_400_000);
  server.failure = new Error("cut off");
  await clock.advance(10_000);
  assert.equal(lease.held(), false);
  assert.ok(lease.lost.aborted);
});

Deno.test("lease: release during a renewal: waits for it, then the Lease is free", async () => {
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

Deno.test("lease: server refuses the release: rejects, and the Lease isn't held", async () => {
  const server = new LeaseServer();
  const lease = holder(server, new FakeClock(), "a");
  await lease.acquire(new AbortController().signal);
  server.failure = new Error("away");
  await assert.rejects(lease.release(), /away/);
  assert.equal(lease.held(), false);
});

Deno.test("lease: released or lost: can be acquired again, with a new signal", async () => {
  const { server, clock, lease } = await leading();
  await assert.rejects(lease.acquire(new AbortController().signal), /already holds the lease operator/);
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

Deno.test("fenced client: Lease isn't held: refuses writes, not reads", async () => {
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

Deno.test("lease: each renewal: reports the server's Lease, including the first", async () => {
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
  assert.equal(told.length, 3, "a failed renewal reports nothing");
});

Deno.test("lease: database is full: the last holder may delete, others may not write", async () => {
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

  // There is room again: the first to renew leads, and the other stops.
  server.full = false;
  await clock.advance(2_000);
  assert.equal(first.held(), !waiting.done);
  assert.equal(second.held(), waiting.done);
  assert.equal(first.lost.aborted, waiting.done);
});

Deno.test("lease: full database has room again: the last holder leads unless another was faster", async () => {
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

Deno.test("lease: database is full, another took the Lease: no delete, even before a renewal shows it", async () => {
  const { server, clock, lease } = await leading();
  server.full = true;
  await clock.advance(20_000);
  // There was room, another process took the Lease, and the database is full again; a stale read hides it from
  // writes.
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

Deno.test("lease: renewals fail for another reason: nothing is deleted after the deadline", async () => {
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
      /no renewal of it succeeded for 10 s; the last attempt failed: (cut off|no)\.$/,
    );
    await assert.rejects(behindFence(lease).send("DELETE", "/binding"), NotLeader);
    assert.equal(clock.pending, 0);
  }
});

Deno.test("leaseIdentity: has host and process, and is unique", () => {
  assert.match(leaseIdentity("host-a"), new RegExp(`^host-a_${Deno.pid}_[0-9a-f]{8}$`));
  assert.notEqual(leaseIdentity("h"), leaseIdentity("h"));
});
