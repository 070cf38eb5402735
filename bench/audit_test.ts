import assert from "node:assert/strict";
import { AuditLog } from "./audit.ts";

const line = (name: string) =>
  `${
    JSON.stringify({
      verb: "get",
      user: { username: "alice" },
      objectRef: { resource: "grants", name },
      requestReceivedTimestamp: "2026-06-01T12:00:00Z",
      stageTimestamp: "2026-06-01T12:00:01Z",
    })
  }\n`;

/** Returns the names in lines read from a log with this beginning, after this addition. */
async function namesIn(before: string, after: string): Promise<string[]> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, before);
    const log = await AuditLog.fromNow(path);
    assert.deepEqual(await log.read(), []);
    await Deno.writeTextFile(path, after, { append: true });
    return (await log.read()).map(({ name }) => name);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("the audit log is read from the next line on, also from the middle of a line", async () => {
  assert.deepEqual(await namesIn("", line("one")), ["one"]);
  assert.deepEqual(await namesIn(line("one"), line("two")), ["two"]);
  const [begun, rest] = [line("two").slice(0, 20), line("two").slice(20)];
  assert.deepEqual(await namesIn(line("one") + begun, rest + line("three")), ["three"]);
});
