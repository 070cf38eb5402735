import assert from "node:assert/strict";
import { FakeClock, sleep } from "../clock/mod.ts";
import { classifyError, type ControllerOptions, type Next, runController, TerminalError } from "./controller.ts";
import { apiError } from "./fake_collection.ts";
import { WorkQueue } from "./work_queue.ts";

/** Runs a controller during `test`, and asserts that it leaves nothing behind. */
async function controlling(
  options: Pick<ControllerOptions<string>, "reconcile"> & Partial<ControllerOptions<string>>,
  test: (parts: {
    clock: FakeClock;
    queue: WorkQueue;
    stop: AbortController;
    running: Promise<void>;
    failures: string[];
    records: string[];
  }) => Promise<void>,
) {
  const clock = new FakeClock(1_000_000);
  const queue = new WorkQueue({ clock, random: () => 0 });
  const stop = new AbortController();
  const failures: string[] = [];
  const records: string[] = [];
  const running = runController({
    name: "test",
    queue,
    concurrency: 1,
    onError: ({ name, key, error, errorKind }) => failures.push(`${name} ${key}: ${error} (${errorKind.kind})`),
    onReconcile: ({ key, durationMs, outcome }) => records.push(`${key} ${outcome} in ${durationMs} ms`),
    clock,
    signal: stop.signal,
    ...options,
  });
  try {
    await test({ clock, queue, stop, running, failures, records });
  } finally {
    stop.abort();
    await running.catch(() => {});
  }
  assert.equal(clock.pending, 0);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

Deno.test("controller: key always returns a past wakeAt: timers and network still run", async () => {
  let runs = 0;
  const reconcile = (): Promise<Next> => Promise.resolve({ wakeAt: runs++ });
  await controlling({ reconcile }, async ({ clock, queue }) => {
    queue.add("a");
    await clock.advance(1000);
    assert.ok(runs > 1 && runs <= 101, `${runs} runs in a second`);
  });
});

Deno.test("controller: key succeeds: runs again exactly at its wakeAt", async () => {
  const runs: number[] = [];
  const clockOfRuns: { clock?: FakeClock } = {};
  const reconcile = (): Promise<Next> => {
    runs.push(clockOfRuns.clock!.now());
    return Promise.resolve(runs.length === 1 ? { wakeAt: 1_005_000 } : {});
  };
  await controlling({ reconcile }, async ({ clock, queue, records, failures }) => {
    clockOfRuns.clock = clock;
    queue.add("a");
    await clock.advance(3_600_000);
    assert.deepEqual(runs, [1_000_000, 1_005_000]);
    assert.deepEqual(records, ["a success in 0 ms", "a success in 0 ms"]);
    assert.deepEqual(failures, []);
  });
});

Deno.test("controller: key returns afterMs: runs after it, even if the wall clock jumps", async () => {
  let runs = 0;
  const reconcile = (): Promise<Next> => Promise.resolve(runs++ === 0 ? { afterMs: 5000, wakeAt: 9_000_000 } : {});
  await controlling({ reconcile }, async ({ clock, queue }) => {
    queue.add("a");
    await clock.advance(1);
    clock.step(-3_600_000);
    await clock.advance(4998);
    assert.equal(runs, 1);
    await clock.advance(1);
    assert.equal(runs, 2);
  });
});

Deno.test("controller: urgent wakeAt: goes before waiting keys", async () => {
  const runs: string[] = [];
  const clockOfRuns: { clock?: FakeClock } = {};
  const reconcile = async (key: string, signal: AbortSignal): Promise<Next> => {
    runs.push(key);
    if (key === "closing" && runs.length === 1) return { wakeAt: 1_000_020, urgent: true };
    if (key === "a") await sleep(clockOfRuns.clock!, 30, signal);
    return {};
  };
  await controlling({ reconcile }, async ({ clock, queue }) => {
    clockOfRuns.clock = clock;
    for (const key of ["closing", "a", "b"]) queue.add(key);
    await clock.advance(30);
    assert.deepEqual(runs, ["closing", "a", "closing", "b"]);
  });
});

Deno.test("controller: transient error: retried with backoff, which a success resets", async () => {
  let runs = 0;
  const reconcile = () => ++runs <= 3 ? Promise.reject(new Error("broken")) : Promise.resolve({});
  await controlling({ reconcile }, async ({ clock, queue, failures, records }) => {
    queue.add("a");
    for (const [ms, expected] of [[99, 1], [1, 2], [199, 2], [1, 3], [399, 3], [1, 4], [60_000, 4]] as const) {
      await clock.advance(ms);
      assert.equal(runs, expected);
    }
    assert.deepEqual(failures, Array(3).fill("test a: Error: broken (transient)"));
    assert.deepEqual(records, [...Array(3).fill("a transient in 0 ms"), "a success in 0 ms"]);
    runs = 0;
    queue.add("a");
    await clock.advance(100);
    assert.equal(runs, 2, "the backoff was reset");
  });
});

Deno.test("controller: terminal error: waits for the next change", async () => {
  let runs = 0;
  const reconcile = () => {
    runs++;
    return Promise.reject(new TerminalError("spec.quota.cpu is not a quantity"));
  };
  await controlling({ reconcile }, async ({ clock, queue, failures }) => {
    queue.add("a");
    await clock.advance(3_600_000);
    assert.equal(runs, 1);
    queue.add("a");
    await clock.advance(0);
    assert.equal(runs, 2);
    assert.equal(failures[0], "test a: TerminalError: spec.quota.cpu is not a quantity (terminal)");
  });
});

Deno.test("controller: Retry-After: retried after that time", async () => {
  let runs = 0;
  const reconcile = () => ++runs === 1 ? Promise.reject(apiError(429, "TooManyRequests", 5)) : Promise.resolve({});
  await controlling({ reconcile }, async ({ clock, queue, failures }) => {
    queue.add("a");
    await clock.advance(4999);
    assert.equal(runs, 1);
    await clock.advance(1);
    assert.equal(runs, 2);
    assert.deepEqual(failures, ["test a: ApiError: TooManyRequests (waiting)"]);
  });
});

Deno.test("classifyError: default classification", () => {
  assert.deepEqual(classifyError(new TerminalError("no")), { kind: "terminal" });
  assert.deepEqual(classifyError(apiError(503, "ServiceUnavailable", 2)), { kind: "waiting", afterMs: 2000 });
  for (const [seconds, afterMs] of [[1e12, 60_000], [-1, 0], [NaN, 0]] as const) {
    assert.deepEqual(classifyError(apiError(429, "TooManyRequests", seconds)), { kind: "waiting", afterMs });
  }
  for (const error of [apiError(403, "Forbidden"), apiError(422, "Invalid"), new Error("x"), "x", undefined]) {
    assert.deepEqual(classifyError(error), { kind: "transient" });
  }
});

Deno.test("controller: invalid wakeAt or synchronous throw: error of that key", async () => {
  const reconcile = (key: string): Promise<Next> => {
    if (key === "throws") throw new Error("at once");
    return Promise.resolve({ wakeAt: NaN });
  };
  await controlling({ reconcile, concurrency: 2 }, async ({ clock, queue, failures }) => {
    queue.add("throws");
    queue.add("nan");
    await clock.advance(0);
    assert.equal(failures[0], "test throws: Error: at once (transient)");
    assert.match(failures[1]!, /^test nan: RangeError: Key nan can't be queued/);
  });
});

Deno.test("controller: concurrency: never exceeded, and no key runs twice at once", async () => {
  const running: string[] = [];
  let most = 0;
  const clockOfRuns: { clock?: FakeClock } = {};
  const reconcile = async (key: string): Promise<Next> => {
    assert.ok(!running.includes(key));
    running.push(key);
    most = Math.max(most, running.length);
    await new Promise<void>((resolve) => clockOfRuns.clock!.setTimer(10, resolve));
    running.splice(running.indexOf(key), 1);
    return {};
  };
  await controlling({ reconcile, concurrency: 3 }, async ({ clock, queue, records }) => {
    clockOfRuns.clock = clock;
    for (let i = 0; i < 10; i++) queue.add(`key-${i}`);
    await clock.advance(5);
    for (let i = 0; i < 10; i++) queue.add(`key-${i}`);
    await clock.advance(1000);
    assert.equal(most, 3);
    // The three that ran when they were added again run once more; the others had not started.
    assert.equal(records.length, 13);
    assert.equal(records[0], "key-0 success in 10 ms");
  });
});

Deno.test("controller: one key fails and one hangs: others are not held up", async () => {
  const successes = new Set<string>();
  let failed = 0;
  const reconcile = async (key: string, signal: AbortSignal): Promise<Next> => {
    if (key === "key-3") {
      failed++;
      throw new Error("broken");
    }
    if (key === "key-7") {
      await aborted(signal);
      throw signal.reason;
    }
    await Promise.resolve();
    successes.add(key);
    return {};
  };
  await controlling({ reconcile, concurrency: 4 }, async ({ clock, queue, stop, running, failures, records }) => {
    for (let i = 0; i < 100; i++) queue.add(`key-${i}`);
    await clock.advance(0);
    assert.equal(successes.size, 98);
    await clock.advance(30_000);
    assert.ok(failed > 5 && failed < 15, `the failing key backs off, it ran ${failed} times`);
    for (let i = 0; i < 100; i++) queue.add(`key-${i}`);
    successes.clear();
    await clock.advance(0);
    assert.equal(successes.size, 98);
    const failuresBefore = failures.length;
    stop.abort();
    await running;
    assert.equal(failures.length, failuresBefore, "an aborted reconcile is no failure");
    assert.equal(records.filter((record) => record.includes("aborted")).length, 1);
  });
});

Deno.test("controller: abort: takes no key, waits for running ones, and requeues failed ones", async () => {
  const started: string[] = [];
  const cleanup = Promise.withResolvers<void>();
  const reconcile = async (key: string, signal: AbortSignal): Promise<Next> => {
    started.push(key);
    await aborted(signal);
    await cleanup.promise;
    signal.throwIfAborted();
    return {};
  };
  await controlling({ reconcile, concurrency: 2 }, async ({ clock, queue, stop, running }) => {
    for (const key of ["a", "b", "c"]) queue.add(key);
    await clock.advance(0);
    let ended = false;
    running.then(() => ended = true);
    stop.abort();
    await clock.advance(9999);
    assert.deepEqual([ended, started], [false, ["a", "b"]]);
    cleanup.resolve();
    await running;
    assert.deepEqual([started, queue.depth], [["a", "b"], 3]);
  });
});

Deno.test("controller: abort while a key is taken: neither started nor lost", () =>
  controlling({ reconcile: () => Promise.reject(new Error("not to be called")) }, async (parts) => {
    const { queue, stop, running, records } = parts;
    queue.add("a");
    stop.abort();
    await running;
    assert.deepEqual([records, queue.depth], [[], 1]);
  }));

Deno.test("controller: reconciles don't end after the abort: the error names them", async () => {
  const hang = Promise.withResolvers<Next>();
  const reconcile = (key: string) => key === "ok" ? Promise.resolve({}) : hang.promise;
  await controlling({ reconcile, concurrency: 3, stopTimeoutMs: 2000 }, async ({ clock, queue, stop, running }) => {
    for (const key of ["x", "ok", "y"]) queue.add(key);
    await clock.advance(0);
    stop.abort();
    const refused = assert.rejects(running, /Controller test did not stop: reconciling x, y took longer than 2000 ms/);
    await clock.advance(2000);
    await refused;
    hang.resolve({});
  });
});

Deno.test("controller: hook throws: the controller stops with its error", async () => {
  const onError = () => {
    throw new Error("the hook is broken");
  };
  const reconcile = async (key: string, signal: AbortSignal): Promise<Next> => {
    if (key === "fails") throw new Error("broken");
    await aborted(signal);
    return {};
  };
  await controlling({ reconcile, onError, concurrency: 2 }, async ({ queue, running }) => {
    queue.add("waits");
    queue.add("fails");
    await assert.rejects(running, /the hook is broken/);
  });
});

Deno.test("controller: aborted before the start: does nothing", () =>
  controlling({
    reconcile: () => Promise.reject(new Error("not to be called")),
    signal: AbortSignal.abort(),
  }, async ({ queue, running, records }) => {
    queue.add("a");
    await running;
    assert.deepEqual(records, []);
  }));
