/** `keystone grants --watch` as a process on a real API server: rows, a restart of the server, warnings, and Ctrl-C. */
import assert from "node:assert/strict";
import { clientOf, grantOf, prepared, root, step } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";
import { TextLineStream } from "../lab/lines.ts";
import { poll } from "../lab/poll.ts";

/** The command as a process whose lines arrive one by one. */
class WatchingCommand implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly #reading: Promise<unknown>;

  constructor(kubeconfig: string, args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--frozen", "-A", "--no-check", `${root}src/cli/main.ts`, ...args],
      env: { KUBECONFIG: kubeconfig },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([
      linesInto(this.#child.stdout, this.lines),
      linesInto(this.#child.stderr, this.errors),
    ]);
  }

  /** Waits for the next lines that match, in this order. Removes everything up to them, and returns the lines between. */
  async expect(...patterns: RegExp[]): Promise<string[]> {
    const between: string[] = [];
    for (const pattern of patterns) {
      await poll(`a line like ${pattern}`, () => {
        const at = this.lines.findIndex((line) => pattern.test(line));
        if (at >= 0) between.push(...this.lines.splice(0, at + 1).slice(0, -1));
        return Promise.resolve(at >= 0 ? true : `only ${JSON.stringify([this.lines, this.errors])}`);
      }, { withinMs: 30_000 });
    }
    return between;
  }

  /** Interrupts it as Ctrl-C does, and returns its exit code. */
  async interrupt(): Promise<number> {
    this.#child.kill("SIGINT");
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#reading;
  }
}

async function linesInto(stream: ReadableStream<Uint8Array>, into: string[]): Promise<void> {
  for await (const line of stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
    into.push(line);
  }
}

Deno.test("keystone grants --watch", { ignore: Deno.env.get("KEYSTONE_LAB") === "external" }, async (t) => {
  await using lab = await startLab();
  using cluster = await prepared(lab);
  const api = cluster.grants;
  const setStatus = (name: string, status: object) =>
    api.patch(name, { status }, { type: "merge", subresource: "status" });
  await api.create(grantOf({ name: "first", to: "bob-home", hard: { cpu: "2" } }));
  await using watching = new WatchingCommand(lab.kubeconfig, ["grants", "--watch"]);
  await using names = new WatchingCommand(lab.kubeconfig, ["grants", "--watch", "-o", "name"]);
  await using objects = new WatchingCommand(lab.kubeconfig, ["grants", "first", "-w", "-o", "json"]);
  // Each process has its list before anything changes; one that starts late would miss the change.
  await names.expect(/^grant\.keystone\.io\/first$/);
  await objects.expect(/"phase": "Pending"/);

  await step(t, "a grant changes, comes and goes: a row for each, and none for what the row doesn't show", async () => {
    await watching.expect(/^GRANT +FROM/, /^first .*Pending/);
    await setStatus("first", { phase: "Active", hard: { "requests.cpu": "2", "limits.cpu": "2" } });
    await watching.expect(/^first .*Active .* 0 of 2 /);
    await setStatus("first", { message: "Not in the table." });
    await api.create(grantOf({ name: "second", to: "bob-home", hard: { cpu: "1" } }));
    assert.deepEqual(await watching.expect(/^second .*Pending/), []);
    await api.delete("second");
    await watching.expect(/^second .*Deleted/);
    assert.deepEqual(watching.lines, []);
  });

  await step(t, "a grant that no longer matches the flags: a last row with its true phase", async () => {
    await using active = new WatchingCommand(lab.kubeconfig, ["grants", "--phase", "Active", "-w"]);
    await active.expect(/^first .*Active/);
    await setStatus("first", { phase: "Revoked" });
    await active.expect(/^first .*Revoked/);
    assert.equal(await active.interrupt(), 130);
    assert.deepEqual(active.lines, []);
    await watching.expect(/^first .*Revoked/);
  });

  await step(t, "for programs: names once, and each state of an object", async () => {
    await names.expect(/^grant\.keystone\.io\/second$/);
    await objects.expect(/"phase": "Active"/, /"message": "Not in the table\."/);
    assert.ok(!objects.lines.some((line) => line.includes("managedFields")));
  });

  await step(t, "the API server stops and starts again: the watch goes on, and says so once", async () => {
    await lab.apiserver.stop();
    await lab.apiserver.start();
    using rest = await clientOf(lab.kubeconfig);
    assert.ok(await rest.performRequest({ method: "GET", path: "/version" }));
    await api.create(grantOf({ name: "third", to: "bob-home", hard: { cpu: "1" } }));
    await watching.expect(/^third .*Pending/);
    await poll("the notes", () =>
      Promise.resolve(
        watching.errors.some((line) => /^The watch goes on\.$/.test(line)) || JSON.stringify(watching.errors),
      ), { withinMs: 30_000 });
    assert.equal(
      watching.errors.filter((line) => /^The watch failed: .* Trying again\.$/.test(line)).length,
      1,
    );
  });

  await step(t, "Ctrl-C: exit code 130 without a word", async () => {
    const before = watching.errors.length;
    assert.equal(await watching.interrupt(), 130);
    assert.equal(watching.errors.length, before);
    assert.deepEqual(watching.lines, []);
  });
});
