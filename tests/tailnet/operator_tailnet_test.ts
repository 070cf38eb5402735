import assert from "node:assert/strict";
import { dirname } from "node:path";
import { LocalClient } from "../../lib/tailscale/mod.ts";
import { createTailnet } from "../../src/tailnet/local_tailnet.ts";
import type { Tailnet, TailnetPeer } from "../../src/tailnet/tailnet.ts";
import { isNews } from "../../src/tailnet/news.ts";
import { SocketProxy } from "../fixtures/socket_proxy.ts";
import { daemonIs, daemonKnows, grantingPolicy, setPolicy } from "../fixtures/test_tailnet.ts";
import { type LabRealm, startLab } from "../lab/lab.ts";
import { poll } from "../lab/poll.ts";

/** The operator's view of the tailnet through one tailscaled. */
interface Observer {
  version: string;
  realm: LabRealm;
  tailnet: Tailnet;
}

const peer = ({ state }: Tailnet, identity: string): TailnetPeer | undefined =>
  state.kind === "running" ? state.peers.get(identity)?.[0] : undefined;
const reason = ({ state }: Tailnet): string => state.kind === "unavailable" ? state.reason : state.kind;

function becomes(what: string, value: () => unknown, expected: unknown, withinMs: number): Promise<void> {
  return poll(what, () => value() === expected || `value: ${value()}`, { withinMs, everyMs: 5 });
}

/** Resolves with the time at which the tailnet reports that the peer is `online` or not. */
function told(tailnet: Tailnet, identity: string, online: boolean): Promise<number> {
  return new Promise((resolve) => {
    tailnet.onChange(({ names }) => {
      if (names.has(identity) && peer(tailnet, identity)?.online === online) resolve(performance.now());
    });
  });
}

/** Runs `tailscale up` or `tailscale down`. */
async function setWantRunning({ socket }: LabRealm, WantRunning: boolean): Promise<void> {
  using client = new LocalClient({ socket });
  await client.patchPrefs({ WantRunning });
}

Deno.test("the tailnet as seen through real tailscaleds", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  await lab.addRealm("carol-home", { stable: true });
  const bob = lab.realms["bob-home"]!;
  const abort = new AbortController();
  const runs: Promise<void>[] = [];
  const open = (socket: string): Tailnet => {
    const tailnet = createTailnet({ socket });
    runs.push(tailnet.run(abort.signal));
    return tailnet;
  };
  const observers: Observer[] = [["1.101", "alice-home"], ["1.98", "carol-home"]].map(([version, name]) => {
    const realm = lab.realms[name!]!;
    return { version: version!, realm, tailnet: open(realm.socket) };
  });
  const each = async (use: (observer: Observer) => Promise<void>) => void await Promise.all(observers.map(use));

  await t.step("this node and its peers are known", () =>
    each(async ({ realm, tailnet }) => {
      await tailnet.ready(AbortSignal.timeout(10_000));
      const { state } = tailnet;
      assert(state.kind === "running", reason(tailnet));
      assert.equal(state.self.dnsName, realm.identity);
      assert.equal(state.magicDNSSuffix, "tailnet-name.ts.net");
      assert.match(state.controlURL ?? "", /^http:\/\/127\.0\.0\.1:/);
      assert.equal(state.peers.get(realm.identity)?.[0]?.self, true);
      assert.deepEqual(peer(tailnet, bob.identity)?.addresses, [bob.ipv4, bob.ipv6]);
      assert.equal(peer(tailnet, bob.identity)?.online, true);
      assert.equal(peer(tailnet, bob.identity)?.ownerLogin, "bob-home");
    }));

  await t.step("capabilities that the policy grants a watched node: known, and follow the policy", async () => {
    for (const values of [[{ name: "bob" }], [{ name: "robert" }, { more: true }]]) {
      await setPolicy(lab, grantingPolicy("bob-home@", values));
      await each(({ version, tailnet }) => {
        tailnet.watch(new Set([bob.identity]));
        const granted = () => JSON.stringify(peer(tailnet, bob.identity)?.capabilities?.["keystone.io/cap/realm"]);
        return becomes(`${version}: bob's capability`, granted, JSON.stringify(values), 10_000);
      });
    }
    await setPolicy(lab, grantingPolicy("alice-home@", []));
    await each(({ version, tailnet }) =>
      becomes(
        `${version}: bob's capabilities`,
        () => JSON.stringify(peer(tailnet, bob.identity)?.capabilities),
        "{}",
        10_000,
      )
    );
  });

  await t.step(
    "a ping: reports the path to a peer, an unknown address, and nothing while tailscaled is stopped",
    () =>
      each(async ({ version, realm, tailnet }) => {
        const found = await tailnet.ping(bob.ipv4, abort.signal);
        assert(found.kind === "answered" && found.latencyMs > 0 && found.via, JSON.stringify(found));
        const nobody = await tailnet.ping("100.99.99.99", abort.signal);
        assert(nobody.kind === "unanswered" && nobody.message.includes("no matching peer"), JSON.stringify(nobody));
        await setWantRunning(realm, false);
        await daemonIs(realm.socket, "Stopped");
        const stopped = await tailnet.ping(bob.ipv4, abort.signal);
        assert(stopped.kind === "unknown", JSON.stringify(stopped));
        await setWantRunning(realm, true);
        await becomes(`${version}: tailnet`, () => reason(tailnet), "running", 10_000);
      }),
  );

  await t.step(
    "nothing changes: tailscaled gets no more requests than its notifications cause",
    () =>
      each(async ({ version, realm }) => {
        await using proxy = new SocketProxy(`${realm.socket}.proxy`, realm.socket);
        using client = new LocalClient({ socket: realm.socket });
        const end = new AbortController();
        let news = 0;
        const counting = (async () => {
          for await (const notify of client.watchIpnBus({ signal: end.signal })) if (isNews(notify)) news++;
        })().catch(() => {});
        const tailnet = createTailnet({ socket: proxy.socket });
        tailnet.watch(new Set([bob.identity]));
        const run = tailnet.run(end.signal);
        await tailnet.ready(AbortSignal.timeout(10_000));
        await becomes(
          `${version}: bob's capabilities`,
          () => peer(tailnet, bob.identity)?.capabilities !== undefined,
          true,
          10_000,
        );
        // Requests of the start: the bus, one or two statuses, one or two whois of bob.
        for (const endpoint of ["watch-ipn-bus", "status", "whois"]) {
          assert(proxy.asked.includes(endpoint), proxy.asked.join());
        }
        const before = [news, proxy.asked.length] as const;
        const until = performance.now() + 25_000;
        await poll("25 s have passed", () => performance.now() > until || "not yet", { withinMs: 60_000 });
        const asked = proxy.asked.slice(before[1]);
        end.abort();
        await Promise.all([run, counting]);
        console.log(`${version}: ${asked.length} requests in 25 s with ${news - before[0]} lines of news: ${asked}`);
        assert(asked.length <= 2 * (news - before[0]) + 2, asked.join());
      }),
  );

  for (const online of [false, true]) {
    await t.step(`a peer is ${online ? "back" : "killed"}: reported as soon as tailscaled knows`, async () => {
      const all = each(async ({ version, realm, tailnet }) => {
        const [known, heard] = await Promise.all([
          daemonKnows(realm.socket, bob.identity, online),
          told(tailnet, bob.identity, online),
        ]);
        console.log(
          `${version}: tailscaled knew after ${Math.round(known - start)} ms, told ${
            Math.round(heard - known)
          } ms later`,
        );
        assert(heard - known < 1000, `reported ${heard - known} ms after tailscaled knew`);
      });
      const start = performance.now();
      await (online ? bob.tailscaled.start() : bob.tailscaled.kill());
      await all;
    });
  }

  await t.step(
    "the control server is down: this node is reported offline, and no peer is taken for removed",
    async () => {
      const online = ({ state }: Tailnet) => state.kind === "running" && state.self.online;
      const start = performance.now();
      await lab.headscale!.kill();
      try {
        await each(async ({ version, tailnet }) => {
          await becomes(`${version}: online`, () => online(tailnet), false, 30_000);
          console.log(`${version}: offline, reported after ${Math.round(performance.now() - start)} ms`);
          assert.deepEqual(peer(tailnet, bob.identity)?.addresses, [bob.ipv4, bob.ipv6]);
        });
      } finally {
        await lab.headscale!.start();
      }
      await each(({ version, tailnet }) => becomes(`${version}: online`, () => online(tailnet), true, 60_000));
      await each(({ version, tailnet }) =>
        becomes(`${version}: bob`, () => peer(tailnet, bob.identity)?.online, true, 30_000)
      );
    },
  );

  await t.step("a socket that appears later: found; a new node: reported to the others", async () => {
    const late = open(`${dirname(bob.socket)}/dave-home.sock`);
    await late.ready(AbortSignal.timeout(5000));
    assert.equal(reason(late), "TailscaledUnreachable");
    const seen: string[] = [];
    late.onChange(() => seen.push(reason(late)));
    const dave = await lab.addRealm("dave-home");
    await becomes("dave's own tailnet", () => reason(late), "running", 1000);
    assert(seen.includes("NeedsLogin"), seen.join());
    await each(({ version, tailnet }) =>
      becomes(`${version}: dave`, () => peer(tailnet, dave.identity)?.online, true, 10_000)
    );
  });

  await t.step(
    "tailscale down and up: reported as Stopped and running",
    () =>
      each(async ({ version, realm, tailnet }) => {
        await setWantRunning(realm, false);
        await becomes(`${version}: tailnet`, () => reason(tailnet), "Stopped", 5000);
        await setWantRunning(realm, true);
        await becomes(`${version}: tailnet`, () => reason(tailnet), "running", 10_000);
      }),
  );

  await t.step(
    "tailscaled is killed: unavailable within 1 s, and back within 1 s of its return",
    () =>
      each(async ({ version, realm, tailnet }) => {
        await realm.tailscaled.kill();
        await becomes(`${version}: tailnet`, () => reason(tailnet), "TailscaledUnreachable", 1000);
        await realm.tailscaled.start();
        await becomes(`${version}: tailnet`, () => reason(tailnet), "running", 1000);
        await becomes(`${version}: bob`, () => peer(tailnet, bob.identity)?.online, true, 10_000);
      }),
  );

  await t.step(
    "tailscaled hangs: unavailable within 10 s, and back within 3 s of its continuation",
    () =>
      each(async ({ version, realm, tailnet }) => {
        await realm.tailscaled.pause();
        const start = performance.now();
        try {
          await becomes(`${version}: tailnet`, () => reason(tailnet), "TailscaledUnreachable", 10_000);
          // The hang doesn't delay a shutdown either.
          const [end, late] = [new AbortController(), createTailnet({ socket: realm.socket })];
          const run = late.run(end.signal);
          end.abort();
          await run;
        } finally {
          realm.tailscaled.resume();
        }
        console.log(`${version}: hang noticed after ${Math.round(performance.now() - start)} ms`);
        await becomes(`${version}: tailnet`, () => reason(tailnet), "running", 3000);
      }),
  );

  await t.step("a peer's key has expired: reported, with the time", async () => {
    const [{ stableID } = { stableID: "" }] = observers.map(({ tailnet }) => peer(tailnet, bob.identity)!);
    const { code, stderr } = await lab.headscaleCli(["nodes", "expire", "--identifier", stableID]);
    assert.equal(code, 0, stderr);
    await each(async ({ version, tailnet }) => {
      await becomes(`${version}: bob's key`, () => peer(tailnet, bob.identity)?.expired, true, 10_000);
      assert(Date.parse(peer(tailnet, bob.identity)!.keyExpiry!) <= Date.now());
    });
  });

  await t.step(
    "this node's key has expired: the tailnet is unavailable and says so",
    () =>
      each(async ({ version, tailnet }) => {
        assert(tailnet.state.kind === "running");
        const { code, stderr } = await lab.headscaleCli([
          "nodes",
          "expire",
          "--identifier",
          tailnet.state.self.stableID,
        ]);
        assert.equal(code, 0, stderr);
        await becomes(`${version}: tailnet`, () => reason(tailnet), "NeedsLogin", 10_000);
        await becomes(
          `${version}: its message`,
          () => JSON.stringify(tailnet.state).includes("key has expired"),
          true,
          5000,
        );
      }),
  );

  abort.abort();
  await Promise.all(runs);
});
