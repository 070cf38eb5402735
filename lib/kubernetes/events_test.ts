import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../clock/mod.ts";
import { ApiError } from "./errors.ts";
import { cutNote, type EventFacts, EventRecorder, type EventRecorderOptions, objectReference } from "./events.ts";
import type { JSONValue, RequestOptions } from "./types.ts";

const EVENT: EventFacts = {
  regarding: { apiVersion: "v1", kind: "Pod", name: "web", namespace: "team", uid: "u1" },
  type: "Normal",
  reason: "Admitted",
  action: "Admitting",
  note: "The pod fits.",
};

function setUp(
  answer: (request: RequestOptions) => void | Promise<void> = () => {},
  options: Pick<EventRecorderOptions, "isBusy"> = {},
) {
  const requests: RequestOptions[] = [];
  const errors: { error: unknown; event: EventFacts }[] = [];
  const clock = new FakeClock(Date.UTC(2026, 0, 1));
  const recorder = new EventRecorder({
    rest: {
      performRequest: async (request) => {
        requests.push(request);
        await answer(request);
        return request.bodyJson as JSONValue;
      },
      performStream: () => Promise.reject(new Error("not here")),
    },
    reportingController: "example.io/operator",
    reportingInstance: "operator-0",
    onError: (error, event) => errors.push({ error, event }),
    clock,
    ...options,
  });
  const flush = () => recorder.flush(new AbortController().signal);
  // deno-lint-ignore no-explicit-any
  const body = (i: number) => requests[i]!.bodyJson as any;
  return { recorder, requests, errors, clock, flush, body };
}

Deno.test("events: recorded: written with all required fields", async () => {
  const { recorder, requests, flush, body } = setUp();
  recorder.event({ ...EVENT, related: { kind: "Node", name: "n" } });
  assert.equal(requests.length, 0, "recording doesn't wait for a request");
  await flush();
  assert.equal(requests[0]!.path, "/apis/events.k8s.io/v1/namespaces/team/events");
  const { metadata, ...rest } = body(0);
  assert.match(metadata.name, /^web\.[0-9a-f]{16}$/);
  assert.equal(metadata.namespace, "team");
  assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    eventTime: "2026-01-01T00:00:00.000000Z",
    reportingController: "example.io/operator",
    reportingInstance: "operator-0",
    type: "Normal",
    reason: "Admitted",
    action: "Admitting",
    note: "The pod fits.",
    regarding: EVENT.regarding,
    related: { kind: "Node", name: "n" },
  });
});

Deno.test("events: cluster-scoped object: in the namespace default", async () => {
  const { recorder, requests, flush } = setUp();
  recorder.event({ ...EVENT, regarding: { kind: "Node", name: "n".repeat(253), uid: "u2" } });
  await flush();
  assert.equal(requests[0]!.path, "/apis/events.k8s.io/v1/namespaces/default/events");
  const { name } = (requests[0]!.bodyJson as { metadata: { name: string } }).metadata;
  assert.equal(name.length, 253);
});

Deno.test("events: repetition within 10 minutes: counted in the series", async () => {
  const { recorder, requests, flush, body, clock } = setUp();
  recorder.event(EVENT);
  await flush();
  await clock.advance(599_999);
  recorder.event({ ...EVENT, action: "Other", regarding: { ...EVENT.regarding, resourceVersion: "9" } });
  await flush();
  assert.deepEqual(requests.map(({ method }) => method), ["POST", "PATCH"]);
  assert.equal(requests[1]!.path, `/apis/events.k8s.io/v1/namespaces/team/events/${body(0).metadata.name}`);
  assert.deepEqual(body(1), { series: { count: 2, lastObservedTime: "2026-01-01T00:09:59.999000Z" } });
  // Ten minutes count from the last occurrence.
  await clock.advance(599_999);
  recorder.event(EVENT);
  await flush();
  assert.equal(body(2).series.count, 3);
  await clock.advance(600_000);
  recorder.event(EVENT);
  await flush();
  assert.equal(requests[3]!.method, "POST");
});

Deno.test("events: other object, type, reason or note: another event", async () => {
  const { recorder, requests, flush } = setUp();
  recorder.event(EVENT);
  recorder.event({ ...EVENT, regarding: { ...EVENT.regarding, uid: "u9" } });
  recorder.event({ ...EVENT, type: "Warning" });
  recorder.event({ ...EVENT, reason: "Other" });
  recorder.event({ ...EVENT, note: "Other." });
  await flush();
  assert.deepEqual(requests.map(({ method }) => method), Array(5).fill("POST"));
});

Deno.test("events: burst of one event: one write, and one more for later occurrences", async () => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const { recorder, requests, flush, body } = setUp(() => {
    arrived.resolve();
    return gate.promise;
  });
  for (let i = 0; i < 50; i++) recorder.event(EVENT);
  await arrived.promise;
  for (let i = 0; i < 50; i++) recorder.event(EVENT);
  gate.resolve();
  await flush();
  assert.deepEqual(requests.map(({ method }) => method), ["POST", "PATCH"]);
  assert.equal(body(0).series.count, 50);
  assert.equal(body(1).series.count, 100);
});

Deno.test("events: server has deleted the event: created again with its count", async () => {
  let forgotten = false;
  const { recorder, requests, errors, flush, body } = setUp(({ method, path }) => {
    if (method === "PATCH" && forgotten) throw new ApiError("gone", { code: 404, reason: "NotFound", method, path });
  });
  recorder.event(EVENT);
  await flush();
  forgotten = true;
  recorder.event(EVENT);
  await flush();
  assert.deepEqual(requests.map(({ method }) => method), ["POST", "PATCH", "POST"]);
  assert.equal(body(2).series.count, 2);
  assert.notEqual(body(2).metadata.name, body(0).metadata.name);
  assert.equal(errors.length, 0);
});

Deno.test("events: write fails: reported and dropped, the next one is written", async () => {
  let away = true;
  const { recorder, requests, errors, flush } = setUp(() => {
    if (away) throw new Error("away");
  });
  recorder.event(EVENT);
  recorder.event({ ...EVENT, reason: "Second" });
  await flush();
  assert.deepEqual(errors.map(({ error, event }) => [String(error), event.reason]), [
    ["Error: away", "Admitted"],
    ["Error: away", "Second"],
  ]);
  away = false;
  recorder.event(EVENT);
  await flush();
  assert.deepEqual(requests.map(({ method }) => method), ["POST", "POST", "POST"]);
});

Deno.test("events: more than 32768 waiting: the rest is dropped and reported once", async () => {
  const gate = Promise.withResolvers<void>();
  const { recorder, requests, errors, flush } = setUp(() => gate.promise);
  for (let i = 0; i < 32_773; i++) recorder.event({ ...EVENT, note: `${i}` });
  assert.equal(errors.length, 1);
  assert.match(String(errors[0]!.error), /dropped/);
  gate.resolve();
  await flush();
  assert.equal(requests.length, 32_768);
});

Deno.test("events: other work: ten events a second, warnings at once, all once it is done", async () => {
  let busy = true;
  const { recorder, requests, clock, body, flush } = setUp(undefined, { isBusy: () => busy });
  const notes = () => requests.map((_, i) => body(i).note);
  for (const note of ["a", "b", "c", "d"]) recorder.event({ ...EVENT, note });
  await clock.advance(99);
  assert.deepEqual(notes(), []);
  recorder.event({ ...EVENT, note: "warning", type: "Warning" });
  await clock.advance(0);
  assert.deepEqual(notes(), ["warning"]);
  await clock.advance(100);
  assert.deepEqual(notes(), ["warning", "a"]);
  busy = false;
  await clock.advance(100);
  assert.deepEqual(notes(), ["warning", "a", "b", "c", "d"]);
  busy = true;
  recorder.event({ ...EVENT, note: "e" });
  recorder.event({ ...EVENT, note: "f" });
  await flush();
  assert.deepEqual(notes().slice(5), ["e", "f"], "a flush doesn't wait for other work");
  assert.equal(clock.pending, 0);
});

Deno.test("events: very many are waiting: written despite other work", async () => {
  const { recorder, requests, clock } = setUp(undefined, { isBusy: () => true });
  for (let i = 0; i < 24_580; i++) recorder.event({ ...EVENT, note: `${i}` });
  while (requests.length < 4) await clock.advance(0);
  await clock.advance(99);
  assert.equal(requests.length, 4);
});

Deno.test("events: flush takes too long: rejects with its signal's reason", async () => {
  const gate = Promise.withResolvers<void>();
  const { recorder, flush } = setUp(() => gate.promise);
  recorder.event(EVENT);
  const stop = new AbortController();
  const flushed = recorder.flush(stop.signal);
  const reason = new Error("shutting down");
  stop.abort(reason);
  await assert.rejects(flushed, (error) => error === reason);
  gate.resolve();
  await flush();
  await flush();
});

Deno.test("events: long note: truncated to 1024 bytes between two characters, with an ellipsis", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 2000, size: "max" }), (note) => {
      const cut = cutNote(note);
      const bytes = new TextEncoder().encode(cut).length;
      assert.ok(bytes <= 1024, `${bytes}`);
      assert.ok(!cut.includes("\ufffd") || note.includes("\ufffd"));
      if (cut === note) return;
      assert.ok(cut.endsWith("…") && note.startsWith(cut.slice(0, -1)));
      assert.ok(bytes > 1024 - 4, "no more than necessary is removed");
    }),
  );
  assert.equal(cutNote("é".repeat(512)), "é".repeat(512));
  assert.equal(cutNote("é".repeat(513)), "é".repeat(510) + "…");
});

Deno.test("objectReference: identifies the object", () => {
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "team", uid: "u1", resourceVersion: "5", labels: { a: "b" } },
  };
  assert.deepEqual(objectReference(object), {
    apiVersion: "v1",
    kind: "Pod",
    name: "web",
    namespace: "team",
    uid: "u1",
    resourceVersion: "5",
  });
});
