import assert from "node:assert/strict";
import type { PartSpec } from "./part.ts";
import { endAll, LabProcess, type PartError } from "./process.ts";
import { readTextFileIfExists } from "./lab_files.ts";
import { poll } from "./poll.ts";

/** Returns one part, which runs a shell script, in a folder without a lab. */
function partIn(dir: string, script: string, ready: PartSpec["ready"] = () => Promise.resolve(true)): LabProcess {
  for (const name of ["run", "logs"]) Deno.mkdirSync(`${dir}/${name}`, { recursive: true });
  return new LabProcess(dir, { name: "part", command: "/bin/sh", args: ["-c", script, `${dir}/part`], ready });
}

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "keystone-lab-" });
  try {
    await body(dir);
  } finally {
    await endAll(dir);
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Returns a readiness check that waits for "ready" in the script's log. */
const saysReady = (dir: string) => () =>
  Promise.resolve(readTextFileIfExists(`${dir}/logs/part.log`)?.includes("ready") || "not in its log");

const LOOP = "while :; do sleep 0.05; done";

Deno.test("a stopped part is gone when stop returns, and can start again", () =>
  inFolder(async (dir) => {
    const part = partIn(dir, `echo ready; ${LOOP}`, saysReady(dir));
    assert.equal(part.pid, undefined);
    await part.start();
    const first = part.pid;
    assert.ok(first);
    await part.restart();
    assert.ok(part.pid);
    assert.notEqual(part.pid, first);
    await part.stop();
    assert.equal(part.pid, undefined);
    assert.equal(part.death(), undefined);
  }));

Deno.test("a part that ignores SIGTERM is killed after the grace period", () =>
  inFolder(async (dir) => {
    const part = partIn(dir, `trap "" TERM; echo ready; ${LOOP}`, saysReady(dir));
    await part.start();
    await part.stop(100);
    assert.equal(part.pid, undefined);
  }));

Deno.test("a paused part does nothing, can be resumed, and can be stopped while paused", () =>
  inFolder(async (dir) => {
    const part = partIn(
      dir,
      `trap 'echo bye >"$0.bye"; exit' TERM; echo ready; while :; do echo x >>"$0.beats"; sleep 0.01; done`,
      saysReady(dir),
    );
    await part.start();
    await part.pause();
    const state = () => readTextFileIfExists(`/proc/${part.pid}/stat`)?.split(") ")[1]?.[0];
    assert.equal(state(), "T");
    part.resume();
    const beats = () => readTextFileIfExists(`${dir}/part.beats`)?.length ?? 0;
    const before = beats();
    await poll("the part runs again", () => beats() > before || "no", { withinMs: 10_000 });
    await part.pause();
    await part.stop(5_000);
    assert.equal(part.pid, undefined);
    assert.equal(readTextFileIfExists(`${dir}/part.bye`), "bye\n");
  }));

Deno.test("a part that ends while it starts: the error has its exit code and the end of its log", () =>
  inFolder(async (dir) => {
    const part = partIn(dir, "echo no such flag >&2; exit 3", () => Promise.resolve("not yet"));
    await assert.rejects(part.start(), (error: PartError) => {
      assert.match(error.message, /^part ended by itself with exit code 3\. .*lab up/);
      assert.match(error.message, /\| no such flag/);
      assert.equal(error.portTaken, false);
      return true;
    });
  }));

Deno.test("a part whose port is taken: the error says so", () =>
  inFolder(async (dir) => {
    const part = partIn(
      dir,
      "echo 'listen tcp: bind: address already in use'; exit 1",
      () => Promise.resolve("not yet"),
    );
    await assert.rejects(part.start(), (error: PartError) => error.portTaken && /took its port/.test(error.message));
  }));

Deno.test("a running part that is killed is reported as dead", () =>
  inFolder(async (dir) => {
    const part = partIn(dir, `echo ready; ${LOOP}`, saysReady(dir));
    await part.start();
    Deno.kill(part.pid!, "SIGKILL");
    await poll("the part is dead", () => part.death() !== undefined || "no", { withinMs: 5_000 });
    await poll("its exit code is known", () => /signal 9/.test(part.death()!.message) || part.death()!.message, {
      withinMs: 5_000,
    });
    await assert.rejects(part.pause(), /does not run/);
  }));

Deno.test("a part that replaces itself by exec again and again is never reported as dead", () =>
  inFolder(async (dir) => {
    const again = `[ $1 -gt 0 ] && exec /bin/sh "$0" $(($1 - 1)); echo ready; ${LOOP}`;
    Deno.writeTextFileSync(`${dir}/part.sh`, again);
    const part = partIn(dir, `exec /bin/sh "$0.sh" 2000`, saysReady(dir));
    const starting = part.start();
    await poll("it is the last program", () => {
      for (let i = 0; i < 100; i++) assert.equal(part.death(), undefined);
      return saysReady(dir)();
    }, { withinMs: 30_000, everyMs: 0 });
    await starting;
  }));

Deno.test("a foreign process that reuses a recorded pid is not killed", () =>
  inFolder(async (dir) => {
    const part = partIn(dir, LOOP);
    const stranger = new Deno.Command("/bin/sleep", { args: ["60"] }).spawn();
    Deno.writeTextFileSync(`${dir}/run/part.pid`, String(stranger.pid));
    assert.equal(part.pid, undefined);
    assert.deepEqual(await endAll(dir), []);
    assert.doesNotThrow(() => stranger.kill("SIGKILL"));
    assert.equal((await stranger.status).signal, "SIGKILL");
  }));
