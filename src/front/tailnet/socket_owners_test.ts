import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { FakeClock, systemClock } from "../../../lib/clock/mod.ts";
import { daemonConnectionCheck } from "./daemon_connection.ts";
import { SocketOwners } from "./socket_owners.ts";

const { signal } = new AbortController();
const row = (local: string, remote: string, state: string, user: number, inode: number) =>
  `   7: 0100007F:${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${user} 0 ${inode} 1 0 20 4 30 10 -1\n`;
const listener = row("20FB", "00000000:0000", "0A", 1, 1);
const from = (port: number, user: number) => row(port.toString(16).toUpperCase(), "0100007F:20FB", "01", user, 2);

/** A table that a test changes, in pages as the kernel writes them. */
class Pages {
  pages = [listener];
  reads = 0;
  readonly clock = new FakeClock();
  readonly owners = new SocketOwners({
    read: (offset) => {
      if (offset === 0) this.reads++;
      let at = 0;
      return this.pages.find((page) => {
        const isHere = at === offset;
        at += page.length;
        return isHere;
      }) ?? "";
    },
    port: 8443,
    clock: this.clock,
  });

  async of(port: number) {
    const answer = this.owners.of(port, signal);
    await this.clock.advance(10);
    return await answer;
  }
}

Deno.test("socket owners: a connection's user; nobody after a second reading", async () => {
  const table = new Pages();
  table.pages.push(from(40_001, 65_532), from(40_002, 1337));
  assert.equal(await table.of(40_002), 1337);
  assert.equal(table.reads, 1);
  assert.equal(await table.of(40_003), "nobody");
  assert.equal(table.reads, 3);
});

Deno.test("socket owners: a row missed in the first reading is found in the second", async () => {
  const table = new Pages();
  const answer = table.owners.of(40_001, signal);
  table.pages.push(from(40_001, 65_532));
  await table.clock.advance(10);
  assert.equal(await answer, 65_532);
});

Deno.test("socket owners: a thousand connections at a time: one reading for those that wait", async () => {
  const table = new Pages();
  for (let port = 40_000; port < 41_000; port++) table.pages.push(from(port, port));
  const answers = Promise.all(Array.from({ length: 1000 }, (_, index) => table.owners.of(40_000 + index, signal)));
  for (let ms = 0; ms < 1000; ms++) await table.clock.advance(1);
  assert.deepEqual(await answers, Array.from({ length: 1000 }, (_, index) => 40_000 + index));
  assert.equal(table.reads, 2);
});

Deno.test("socket owners: a connection that hangs up is not looked for any more", async () => {
  const table = new Pages();
  assert.equal(await table.of(40_001), "nobody");
  const before = table.reads;
  const closing = new AbortController();
  const held = table.owners.of(40_002, closing.signal);
  closing.abort(new Error("closed"));
  await assert.rejects(held, /closed/);
  await table.clock.advance(1000);
  assert.ok(table.reads <= before + 1, `${table.reads - before} readings`);
});

Deno.test("socket owners: another network's table, one in another form, or none: unknown", async () => {
  const table = new Pages();
  table.pages = [from(40_001, 65_532)];
  assert.equal(await table.of(40_001), "unknown");
  table.pages = ["no table\n"];
  assert.equal(await table.of(40_001), "unknown");
  table.pages = [];
  assert.equal(await table.of(40_001), "unknown");
  const broken = new SocketOwners({ read: () => assert.fail("no file"), port: 8443, clock: table.clock });
  const answer = broken.of(40_001, signal);
  await table.clock.advance(10);
  assert.equal(await answer, "unknown");
});

Deno.test(
  "socket owners: the kernel's own table: this process's user",
  { ignore: Deno.build.os !== "linux" },
  async () => {
    using listening = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listening.addr;
    const owners = new SocketOwners({
      read: (offset) => readFileSync("/proc/net/tcp", "utf8").slice(offset),
      port,
      clock: systemClock,
    });
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    using _accepted = await listening.accept();
    assert.equal(await owners.of(connection.localAddr.port, signal), Deno.uid());
  },
);

Deno.test("daemon's connection: of its socket's user; another's is refused, an unknown one passes", async () => {
  const socket = await Deno.makeTempFile();
  let told = 0;
  const check = async (owner: number | "nobody" | "unknown", at = socket) =>
    await daemonConnectionCheck({ owners: { of: () => Promise.resolve(owner) }, socket: at, cantTell: () => told++ })(
      1,
      signal,
    );
  try {
    assert.equal(await check(Deno.uid()!), true);
    assert.equal(await check(Deno.uid()! + 1), false);
    assert.equal(await check("nobody"), false);
    assert.equal(told, 0);
    assert.equal(await check("unknown"), true);
    assert.equal(await check(Deno.uid()! + 1, `${socket}-gone`), true);
    assert.equal(told, 2);
  } finally {
    await Deno.remove(socket);
  }
});
