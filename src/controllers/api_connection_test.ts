import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { ApiError, ConnectionError, type RequestOptions, type RestClient } from "../../lib/kubernetes/mod.ts";
import { ApiConnection } from "./api_connection.ts";

const refused = () =>
  new ConnectionError("https://x (kubeconfig) didn't respond: tcp connect error: Connection refused");
const answerOf = (code: number, message = "no") =>
  new ApiError(message, { code, reason: "Odd", method: "GET", path: "/livez" });

type Reply = "ok" | "hang" | Error;

/** Starts a connection whose server replies as the test says. */
function begun() {
  const clock = new FakeClock();
  const stop = new AbortController();
  const server = { probe: "ok" as Reply, others: "ok" as Reply };
  const probes: number[] = [];
  const rest: RestClient = {
    defaultNamespace: "default",
    performRequest({ path, timeoutMs = 30_000 }: RequestOptions) {
      const isProbe = path === "/livez";
      if (isProbe) probes.push(clock.monotonic());
      const reply = isProbe ? server.probe : server.others;
      if (reply === "ok") return Promise.resolve("ok");
      if (reply instanceof Error) return Promise.reject(reply);
      return new Promise((_, reject) =>
        clock.setTimer(timeoutMs, () => reject(new DOMException("late", "TimeoutError")))
      );
    },
    performStream: () => Promise.reject(new Error("not in this test")),
  };
  const connection = new ApiConnection({ rest, clock });
  const said: string[] = [];
  const at = () => clock.monotonic() / 1000;
  connection.lost.subscribe(({ cause }) => said.push(`${at()} lost ${cause.kind}`));
  connection.changed.subscribe(({ cause }) => said.push(`${at()} changed ${cause.kind}`));
  connection.back.subscribe(({ since, until }) => said.push(`${at()} back after ${(until - since) / 1000}`));
  const running = connection.run(stop.signal);
  const request = (timeoutMs?: number) =>
    connection.rest.performRequest({
      method: "PUT",
      path: "/apis/x",
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    }).catch(() => {});
  return {
    clock,
    connection,
    server,
    probes,
    said,
    request,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      assert.equal(clock.pending, 0, "a timer is left");
    },
  };
}

Deno.test("API connection: at rest: a probe only after 2.5 s without an answer", async () => {
  await using world = begun();
  const { clock, probes, request, said } = world;
  for (let second = 0; second < 10; second++) {
    await request();
    await clock.advance(1000);
  }
  assert.deepEqual(probes, []);
  await clock.advance(10_000);
  assert.ok(probes.length >= 3 && probes.length <= 4, String(probes));
  assert.deepEqual(said, []);
});

Deno.test("API connection: refused: lost at once, probed each second, back with the time", async () => {
  await using world = begun();
  const { clock, server, request, said, connection, probes } = world;
  server.probe = server.others = refused();
  void request();
  await clock.advance(100);
  assert.equal(said.length, 1);
  assert.match(said[0]!, /lost refused$/);
  assert.equal(connection.outage?.cause.text, "connection refused");
  probes.splice(0);
  await clock.advance(9900);
  assert.ok(probes.length >= 9 && probes.length <= 11, `${probes.length} probes in 10 s`);
  for (let failed = 0; failed < 5; failed++) await request();
  assert.equal(said.length, 1, "no repetition");
  server.probe = server.others = "ok";
  await clock.advance(1000);
  assert.equal(said.length, 2);
  assert.match(said[1]!, /back after 1[01](\.\d+)?$/);
  assert.equal(connection.outage, undefined);
});

Deno.test("API connection: hangs right after an answer: lost within 5 s", async () => {
  await using world = begun();
  const { clock, server, request, said } = world;
  await clock.advance(7000);
  await request();
  const from = clock.monotonic();
  server.probe = server.others = "hang";
  await clock.advance(5000);
  assert.equal(said.length, 1);
  assert.match(said[0]!, /lost timeout$/);
  assert.ok(parseFloat(said[0]!) * 1000 - from <= 5000, said[0]);
  server.probe = "ok";
  await clock.advance(4000);
});

Deno.test("API connection: one request fails and the probe is answered: nothing is lost", async () => {
  await using world = begun();
  const { clock, server, request, said, probes } = world;
  server.others = refused();
  await request();
  await clock.advance(1000);
  assert.equal(probes.length, 1);
  assert.deepEqual(said, []);
});

Deno.test("API connection: closed, then refused, as by a server that stops: one line, with the lasting cause", async () => {
  await using world = begun();
  const { clock, server, request, said } = world;
  server.probe = server.others = new ConnectionError("x didn't respond: connection closed before message completed");
  void request();
  await clock.advance(100);
  assert.equal(said.length, 0);
  server.probe = server.others = refused();
  await clock.advance(1000);
  assert.deepEqual(said.map((line) => line.replace(/^\S+ /, "")), ["lost refused"]);
  server.probe = "ok";
  await clock.advance(1500);
});

Deno.test("API connection: refused with 403, 404, 409 or 422: answers", async () => {
  await using world = begun();
  const { clock, server, request, said } = world;
  for (const code of [403, 404, 409, 422, 429]) {
    server.others = server.probe = answerOf(code);
    await request();
    await clock.advance(5000);
  }
  assert.deepEqual(said, []);
});

Deno.test("API connection: 401 for everything: lost, because nothing can be done without credentials", async () => {
  await using world = begun();
  const { clock, server, request, said, connection } = world;
  server.others = server.probe = answerOf(401);
  await request();
  await clock.advance(100);
  assert.match(said[0]!, /lost unauthorized/);
  assert.match(connection.outage!.cause.text, /doesn't accept this operator's credentials \(401 Unauthorized\)/);
  server.others = server.probe = "ok";
  await clock.advance(1500);
});

Deno.test("API connection: unhealthy, but requests work: nothing is lost", async () => {
  await using world = begun();
  const { clock, server, request, said } = world;
  server.probe = answerOf(500, "[+]ping ok\n[-]informer-sync failed: reason withheld");
  await request();
  await clock.advance(20_000);
  assert.deepEqual(said, []);
});

Deno.test("API connection: unhealthy, and requests are not answered: lost, with the failing check", async () => {
  await using world = begun();
  const { clock, server, request, said, connection } = world;
  server.probe = answerOf(500, "[+]ping ok\n[-]etcd failed: reason withheld");
  server.others = "hang";
  void request(5000);
  await clock.advance(5000);
  assert.match(said[0]!, /lost unhealthy/);
  assert.equal(connection.outage!.cause.text, "it isn't healthy (etcd)");
  server.others = server.probe = "ok";
  await clock.advance(1500);
  assert.equal(said.length, 2);
});

Deno.test("API connection: another cause that lasts is said once; one of a start is not", async () => {
  await using world = begun();
  const { clock, server, request, said } = world;
  server.probe = server.others = refused();
  void request();
  await clock.advance(5000);
  server.probe = answerOf(500, "[-]informer-sync failed");
  await clock.advance(5000);
  server.probe = refused();
  await clock.advance(5000);
  assert.equal(said.length, 1);
  server.probe = answerOf(401);
  await clock.advance(30_000);
  assert.equal(said.length, 2);
  assert.match(said[1]!, /changed unauthorized/);
  server.probe = "ok";
  await clock.advance(1500);
});

Deno.test("API connection: this process was busy: a late timeout is no proof, the next probe is", async () => {
  await using world = begun();
  const { clock, server, said } = world;
  server.probe = "hang";
  const monotonic = clock.monotonic.bind(clock);
  let stalledMs = 0;
  clock.monotonic = () => monotonic() + stalledMs;
  await clock.advance(2600);
  // Nothing ran for 3 s, so the timeout of the probe fires late.
  stalledMs = 3000;
  await clock.advance(2000);
  assert.deepEqual(said, []);
  server.probe = "ok";
  await clock.advance(4000);
  assert.deepEqual(said, []);
});

Deno.test("API connection: the Lease can't be renewed: at once for 403, at the second failure for 500", async () => {
  await using world = begun();
  const { clock, connection, said } = world;
  connection.leaseFailed(answerOf(409));
  const full = answerOf(500, "etcdserver: mvcc: database space exceeded");
  for (let failed = 0; failed < 3; failed++) connection.leaseFailed(full);
  connection.leaseFailed(answerOf(500));
  assert.deepEqual(said, []);
  connection.leaseWorks();
  connection.leaseFailed(answerOf(500));
  assert.deepEqual(said, []);
  connection.leaseFailed(answerOf(500));
  assert.match(said[0]!, /lost lease/);
  // Answers to other requests say nothing about the Lease.
  await clock.advance(20_000);
  assert.equal(said.length, 1);
  connection.leaseWorks();
  assert.equal(said.length, 2);
  connection.leaseFailed(answerOf(403, 'leases "x" is forbidden: User "y" cannot update resource'));
  assert.match(connection.outage!.cause.text, /^the Lease can't be renewed \(403 Odd: leases "x" is forbidden/);
  assert.match(connection.outage!.cause.remedy, /kubectl apply -f deploy/);
});
