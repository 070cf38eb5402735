import assert from "node:assert/strict";
import { isHeartbeat, LocalApiError, type LocalApiErrorKind, LocalClient } from "../../lib/tailscale/mod.ts";
import { type LabRealm, startLab } from "../lab/lab.ts";

async function failure(call: Promise<unknown>, kind: LocalApiErrorKind): Promise<LocalApiError> {
  const error = await call.then(() => assert.fail("expected the call to fail"), (error) => error);
  assert(error instanceof LocalApiError, String(error));
  assert.equal(error.kind, kind, error.message);
  return error;
}

Deno.test("lib/tailscale against real tailscaleds", {
  // The tailnet is the lab's own; a cluster of somebody else's has none to test with.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  const stable = await lab.addRealm("carol-home", { stable: true });
  const bob = lab.realms["bob-home"]!;
  const observers: [string, LabRealm][] = [["1.101", lab.realms["alice-home"]!], ["1.98", stable]];

  for (const [version, realm] of observers) {
    using client = new LocalClient({ socket: realm.socket });

    await t.step(`${version}: status knows this node and its peers`, async () => {
      const status = await client.status();
      assert(status.Version?.startsWith(version), status.Version ?? "no version");
      assert.equal(status.BackendState, "Running");
      assert.equal(status.Self?.DNSName, `${realm.identity}.`);
      const peer = Object.values(status.Peer ?? {}).find(({ DNSName }) => DNSName === `${bob.identity}.`);
      assert.deepEqual(peer?.TailscaleIPs, [bob.ipv4, bob.ipv6]);
      assert.equal(status.User?.[String(peer?.UserID)]?.LoginName, "bob-home");
      assert.equal(status.MagicDNSSuffix, "tailnet-name.ts.net");
    });

    await t.step(`${version}: status without peers`, async () => {
      assert.equal((await client.status({ peers: false })).Peer, null);
    });

    await t.step(`${version}: whois names the node behind an address, over TCP too`, async () => {
      for (const address of [bob.ipv4, bob.ipv6, `${bob.ipv4}:443`, `[${bob.ipv6}]:443`]) {
        const { Node, UserProfile } = await client.whois(address, { protocol: "tcp" });
        assert.equal(Node.Name, `${bob.identity}.`);
        assert.equal(UserProfile.LoginName, "bob-home");
      }
    });

    await t.step(`${version}: whois of nobody is NotFound, of nonsense Protocol`, async () => {
      const { message } = await failure(client.whois("100.99.99.99:80", { protocol: "tcp" }), "NotFound");
      assert(message.includes(realm.socket), message);
      await failure(client.whois("bob"), "Protocol");
    });

    await t.step(`${version}: ping reaches a peer by each way`, async () => {
      for (const type of ["disco", "TSMP", "ICMP", "peerapi"] as const) {
        const { Err, LatencySeconds } = await client.ping(bob.ipv4, { type, timeoutMs: 20_000 });
        assert(!Err, `${type}: ${Err}`);
        assert((LatencySeconds ?? 0) > 0, type);
      }
    });

    await t.step(`${version}: ping of nobody says so`, async () => {
      assert.match((await client.ping("100.99.99.99")).Err ?? "", /no matching peer/);
    });

    await t.step(`${version}: prefs name the control server`, async () => {
      const prefs = await client.prefs();
      assert.match(prefs.ControlURL ?? "", /^http:\/\/127\.0\.0\.1:\d+$/);
      assert.equal(prefs.WantRunning, true);
      assert.equal(prefs.Hostname, realm.identity.split(".")[0]);
    });

    await t.step(`${version}: the bus tells the state, then shows that it lives`, async () => {
      const abort = new AbortController();
      let lines = 0;
      let heartbeats = 0;
      for await (const notify of client.watchIpnBus({ signal: abort.signal, livenessMs: 10_000 })) {
        if (lines++ === 0) {
          assert(notify.SessionID);
          assert.equal(notify.State, 6);
          assert.match(notify.Prefs?.ControlURL ?? "", /^http:/);
        }
        if (isHeartbeat(notify) && notify.Engine && ++heartbeats === 2) break;
      }
    });

    await t.step(`${version}: a daemon that hangs is Timeout, and answers again when it goes on`, async () => {
      realm.tailscaled.pause();
      try {
        await failure(client.status({ timeoutMs: 300 }), "Timeout");
        const { signal } = new AbortController();
        using hasty = new LocalClient({ socket: realm.socket, timeoutMs: 300 });
        await failure(hasty.watchIpnBus({ signal }).next(), "Timeout");
      } finally {
        realm.tailscaled.resume();
      }
      assert.equal((await client.status()).BackendState, "Running");
    });

    await t.step(`${version}: a bus that is followed survives the daemon's death`, async () => {
      const abort = new AbortController();
      const told: string[] = [];
      const bus = client.followIpnBus({ signal: abort.signal, onError: ({ kind }) => told.push(kind) });
      const session = async () => {
        for (;;) {
          const { SessionID } = (await bus.next()).value;
          if (SessionID) return SessionID;
        }
      };
      const before = await session();
      await realm.tailscaled.kill();
      await failure(client.status(), "NotRunning");
      const after = session();
      await realm.tailscaled.start();
      assert.notEqual(await after, before);
      assert(told.length > 0 && told.every((kind) => kind === "NotRunning"), told.join());
      abort.abort();
      await assert.rejects(bus.next());
    });
  }
});
