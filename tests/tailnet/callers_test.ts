/** Identities of connections from a real tailnet: the gate, its bounds under a flood, and the watch of open ones. */
import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock/mod.ts";
import { LocalClient } from "../../lib/tailscale/mod.ts";
import { callerOf } from "../../src/core/people/caller.ts";
import type { TailnetIdentity } from "../../src/core/people/tailnet_identity.ts";
import { IdentityWatch } from "../../src/front/tailnet/identity_watch.ts";
import { type GateRefusal, WhoIsGate } from "../../src/front/tailnet/whois_gate.ts";
import { realm } from "../fixtures/made_facts.ts";
import { headscale, nodeIdOf, setPolicy } from "../fixtures/test_tailnet.ts";
import { type LabRealm, startLab } from "../lab/lab.ts";
import { poll } from "../lab/poll.ts";

/** Policy under which all nodes reach each other. */
const policy = (app: Record<string, unknown> = {}) =>
  JSON.stringify({
    tagOwners: { "tag:ci": ["bob-home@"] },
    grants: [
      { src: ["*"], dst: ["*"], ip: ["*"] },
      { src: ["bob-home@"], dst: ["*"], app: { "keystone.io/cap/test": [], ...app } },
    ],
  });

/** A listener on loopback that asks the gate about each connection, and keeps those with an identity open. */
class Doorman implements Disposable {
  readonly answers: (TailnetIdentity | GateRefusal)[] = [];
  readonly port: number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #gate: WhoIsGate;
  readonly #open = new Set<Deno.Conn>();

  constructor(gate: WhoIsGate) {
    this.#gate = gate;
    this.port = this.#listener.addr.port;
    void this.#serve();
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) void this.#answer(connection);
  }

  async #answer(connection: Deno.TcpConn): Promise<void> {
    this.#open.add(connection);
    const { hostname, port } = connection.remoteAddr;
    const answer = await this.#gate.ask(`${hostname}:${port}`, new AbortController().signal);
    this.answers.push(answer);
    try {
      const said = "refused" in answer ? answer.reason : answer.login;
      await connection.write(new TextEncoder().encode(said));
      if ("refused" in answer) this.#close(connection);
    } catch { /* it hung up */ }
  }

  #close(connection: Deno.Conn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  count(reason: GateRefusal["reason"]): number {
    return this.answers.filter((answer) => "refused" in answer && answer.reason === reason).length;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
  }
}

/** Returns the first words that a connection through the tailnet is answered with. */
async function greeting(from: LocalClient, to: LabRealm, port: number): Promise<string> {
  using connection = await from.dial(to.ipv4, port, { timeoutMs: 30_000 });
  const { value } = await connection.readable.getReader().read();
  return new TextDecoder().decode(value);
}

async function localGreeting(port: number): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new Uint8Array(64);
  return new TextDecoder().decode(bytes.subarray(0, await connection.read(bytes) ?? 0));
}

Deno.test("callers of a real tailnet", {
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  const stable = await lab.addRealm("carol-home", { stable: true });
  const [alice, bob] = [lab.realms["alice-home"]!, lab.realms["bob-home"]!];
  using fromBob = new LocalClient({ socket: bob.socket });
  using fromCarol = new LocalClient({ socket: stable.socket });
  await setPolicy(lab, policy());

  for (
    const [version, at, from, login] of [["1.101", alice, fromBob, "bob-home"], [
      "1.98",
      stable,
      fromBob,
      "bob-home",
    ]] as const
  ) {
    using client = new LocalClient({ socket: at.socket });

    await t.step(`${version}: a forwarded connection acts for a person, a local process for nobody`, async () => {
      using door = new Doorman(new WhoIsGate({ client, clock: systemClock }));
      assert.equal(await greeting(from, at, door.port), login);
      assert.equal(await localGreeting(door.port), "LocalProcess");
      assert.equal(await greeting(from, at, door.port), login);
      const [identity] = door.answers as [TailnetIdentity];
      assert.deepEqual(identity.addresses, [bob.ipv4, bob.ipv6]);
      assert.equal(identity.node, bob.identity);
      const people = realm({ spec: { people: [{ login }] } });
      assert.deepEqual(callerOf(identity, { realms: [people], localRealm: "alice-home" }).because, {
        "bob-home": "person",
      });
    });

    await t.step(`${version}: local processes flood: two misses, and the daemon answers others`, async () => {
      using door = new Doorman(new WhoIsGate({ client, clock: systemClock }));
      let flooding = true;
      let strangers = 0;
      const flood = Promise.all(Array.from({ length: 8 }, async () => {
        for (; flooding; strangers++) await localGreeting(door.port).catch(() => {});
      }));
      // Both misses are over once others are refused.
      await poll("the gate refuses at once", () => door.count("Busy") > 100 || door.count("Busy").toString(), {
        withinMs: 30_000,
      });
      const slowest = await slowestStatus(client, 50);
      flooding = false;
      await flood;
      assert.equal(door.count("LocalProcess"), 2);
      assert(slowest < 1000, `status took ${slowest} ms beside ${strangers} strangers`);
    });

    await t.step(`${version}: nobodies of the tailnet flood: guests are answered among them`, async () => {
      using door = new Doorman(new WhoIsGate({ client, clock: systemClock }));
      let flooding = true;
      const nobody = at === stable ? new LocalClient({ socket: alice.socket }) : fromCarol;
      const flood = Promise.all(Array.from({ length: 8 }, async () => {
        while (flooding) await greeting(nobody, at, door.port).catch(() => {});
      }));
      for (let guest = 0; guest < 10; guest++) assert.equal(await greeting(from, at, door.port), login);
      flooding = false;
      await flood;
      if (at === stable) nobody[Symbol.dispose]();
      assert.equal(door.count("Busy"), 0);
    });
  }

  await t.step("an open connection's identity follows the tailnet, and ends with its login", async () => {
    using client = new LocalClient({ socket: alice.socket });
    const gate = new WhoIsGate({ client, clock: systemClock });
    const watch = new IdentityWatch({ client, clock: systemClock });
    const told: (TailnetIdentity | undefined)[] = [];
    watch.onChange((_, identity) => told.push(identity));
    const abort = new AbortController();
    const run = watch.run(abort.signal);
    let keyBefore = "";
    try {
      const identity = async () => {
        const answer = await gate.ask(`${bob.ipv4}:1`, abort.signal);
        return "refused" in answer ? assert.fail(answer.refused) : answer;
      };
      const within = async (what: string, ms: number, expected: (last: TailnetIdentity | undefined) => boolean) => {
        const startedAt = performance.now();
        await poll(what, () => (told.length > 0 && expected(told.at(-1))) || `told: ${JSON.stringify(told.at(-1))}`, {
          withinMs: ms,
          everyMs: 5,
        });
        console.log(`${what}: ${Math.round(performance.now() - startedAt)} ms after the command`);
        told.length = 0;
      };
      {
        using _open = watch.add(await identity());
        await setPolicy(lab, policy({ "keystone.io/cap/realm": [{ name: "bob-home" }] }));
        await within("a capability is granted", 15_000, (last) => "keystone.io/cap/realm" in last!.capabilities);
        await setPolicy(lab, policy());
        await within("the capability is withdrawn", 15_000, (last) => !("keystone.io/cap/realm" in last!.capabilities));
        const id = await nodeIdOf(lab, "bob-home");
        await headscale(lab, "nodes", "rename", "robert-home", "--identifier", id);
        await within("the node has another name", 15_000, (last) => last!.node.startsWith("robert-home."));
        await headscale(lab, "nodes", "rename", "bob-home", "--identifier", id);
        await within("the node has its name again", 15_000, (last) => last!.node.startsWith("bob-home."));
        keyBefore = (await identity()).key;
        await lab.rejoin("bob-home");
        await within("the node has logged in again", 15_000, (last) => last === undefined);
      }
      {
        await poll("alice's daemon knows the new key", async () => {
          const { key } = await identity();
          return key !== keyBefore || key;
        }, {
          withinMs: 10_000,
        });
        using _open = watch.add(await identity());
        await headscale(lab, "nodes", "tag", "--identifier", await nodeIdOf(lab, "bob-home"), "--tags", "tag:ci");
        await within("the node is tagged", 15_000, (last) => last === undefined);
        const tagged = await identity();
        assert.deepEqual([tagged.login, tagged.tags], ["", ["tag:ci"]]);
        const person = (entry: { login?: string; tag?: string }) =>
          callerOf(tagged, { realms: [realm({ spec: { people: [entry] } })], localRealm: undefined }).realms;
        assert.deepEqual([person({ login: "bob-home" }), person({ tag: "tag:ci" })], [[], ["bob-home"]]);
      }
      {
        using _open = watch.add(await identity());
        await headscale(lab, "nodes", "delete", "--identifier", await nodeIdOf(lab, "bob-home"), "--force");
        await within("the node is removed", 15_000, (last) => last === undefined);
        const gone = await gate.ask(`${bob.ipv4}:1`, abort.signal);
        assert("refused" in gone && gone.reason === "NotTailnet", JSON.stringify(gone));
      }
    } finally {
      abort.abort();
      await run;
    }
  });
});

/** Returns the longest time that a status took, of `count` in a row. */
async function slowestStatus(client: LocalClient, count: number): Promise<number> {
  let slowest = 0;
  for (let each = 0; each < count; each++) {
    const startedAt = performance.now();
    await client.status();
    slowest = Math.max(slowest, performance.now() - startedAt);
  }
  return slowest;
}
