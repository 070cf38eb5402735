/** Every endpoint of lib/tailscale against real tailscaleds of both dialects, in every state of theirs. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dirname } from "node:path";
import { decode } from "dns-packet";
import {
  CertificateKeeper,
  dateFrom,
  isHeartbeat,
  LocalApiError,
  type LocalApiErrorKind,
  LocalClient,
} from "../../lib/tailscale/mod.ts";
import { daemonIs, grantingPolicy, setPolicy } from "../fixtures/test_tailnet.ts";
import { build } from "../lab/build.ts";
import { type LabRealm, startLab } from "../lab/lab.ts";
import { poll } from "../lab/poll.ts";
import { LabProcess } from "../lab/process.ts";
import { tailscaled } from "../lab/tailscaled.ts";

async function failure(call: Promise<unknown>, kind: LocalApiErrorKind): Promise<LocalApiError> {
  const error = await call.then(() => assert.fail("expected the call to fail"), (error) => error);
  assert(error instanceof LocalApiError, String(error));
  assert.equal(error.kind, kind, error.message);
  return error;
}

/** Returns the outcome of each call, in a word. */
async function answersOf(client: LocalClient, identity: string): Promise<Record<string, string>> {
  const word = (call: Promise<unknown>) => call.then(() => "answers", (error) => error.kind ?? String(error));
  const firstLine = async () => {
    const bus = client.watchIpnBus({ signal: new AbortController().signal });
    await bus.next();
    await bus.return();
  };
  return {
    status: await word(client.status()),
    whois: await word(client.whois("100.64.0.2")),
    ping: await word(client.ping("100.64.0.2").then(({ Err }) => assert(Err, "the ping was answered"))),
    prefs: await word(client.prefs()),
    patchPrefs: await word(client.patchPrefs({ RouteAll: false })),
    queryDns: await word(client.queryDns(identity)),
    serveConfig: await word(client.serveConfig()),
    certDomains: await word(client.certDomains()),
    certificate: await word(client.certificate(identity)),
    watchIpnBus: await word(firstLine()),
  };
}

const connectedAnswers = {
  status: "answers",
  whois: "answers",
  ping: "answers",
  prefs: "answers",
  patchPrefs: "answers",
  queryDns: "answers",
  serveConfig: "answers",
  certDomains: "answers",
  certificate: "Refused",
  watchIpnBus: "answers",
};

Deno.test("lib/tailscale against real tailscaleds", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  const stable = await lab.addRealm("carol-home", { stable: true });
  const bob = lab.realms["bob-home"]!;
  const observers: [string, LabRealm][] = [["1.101", lab.realms["alice-home"]!], ["1.98", stable]];

  for (const [version, realm] of observers) {
    using client = new LocalClient({ socket: realm.socket });

    await t.step(`${version}: status has this node and its peers`, async () => {
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

    await t.step(`${version}: whois returns the node of an address, over TCP too`, async () => {
      for (const address of [bob.ipv4, bob.ipv6, `${bob.ipv4}:443`, `[${bob.ipv6}]:443`]) {
        const { Node, UserProfile } = await client.whois(address, { protocol: "tcp" });
        assert.equal(Node.Name, `${bob.identity}.`);
        assert.equal(UserProfile.LoginName, "bob-home");
      }
    });

    await t.step(`${version}: whois of an unknown address: NotFound; of a malformed one: Refused`, async () => {
      const { message } = await failure(client.whois("100.99.99.99:80", { protocol: "tcp" }), "NotFound");
      assert(message.includes(realm.socket), message);
      await failure(client.whois("bob"), "Refused");
    });

    await t.step(`${version}: every type of ping reaches a peer`, async () => {
      for (const type of ["disco", "TSMP", "ICMP", "peerapi"] as const) {
        const { Err, LatencySeconds } = await client.ping(bob.ipv4, { type, timeoutMs: 20_000 });
        assert(!Err, `${type}: ${Err}`);
        assert((LatencySeconds ?? 0) > 0, type);
      }
    });

    await t.step(`${version}: ping of an unknown address: an error that says so`, async () => {
      assert.match((await client.ping("100.99.99.99")).Err ?? "", /no matching peer/);
    });

    await t.step(`${version}: prefs have the control server`, async () => {
      const prefs = await client.prefs();
      assert.match(prefs.ControlURL ?? "", /^http:\/\/127\.0\.0\.1:\d+$/);
      assert.equal(prefs.WantRunning, true);
      assert.equal(prefs.Hostname, realm.identity.split(".")[0]);
    });

    await t.step(`${version}: the bus reports the state, then sends keep-alive messages`, async () => {
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

    await t.step(`${version}: a patch of prefs changes only those that it names`, async () => {
      const before = await client.prefs();
      const during = await client.patchPrefs({ RouteAll: true, AutoUpdate: { Check: false } });
      assert.deepEqual({ ...during, RouteAll: before.RouteAll, AutoUpdate: before.AutoUpdate }, before);
      assert.equal(during.RouteAll, true);
      assert.equal((during.AutoUpdate as { Check: boolean }).Check, false);
      assert.deepEqual(await client.patchPrefs({ RouteAll: false, AutoUpdate: before.AutoUpdate }), before);
      const { message } = await failure(client.patchPrefs({ ControlURL: 5 as unknown as string }), "Refused");
      assert(message.includes("cannot unmarshal number"), message);
    });

    await t.step(`${version}: its DNS resolves the tailnet's names`, async () => {
      // The resolver is configured again after each change of the preferences.
      await poll(`${bob.identity} has the address ${bob.ipv4}`, async () => {
        const { message } = await client.queryDns(bob.identity);
        const answer = decode(Buffer.from(message));
        const [record] = answer.answers ?? [];
        return record?.type === "A" && record.data === bob.ipv4 || JSON.stringify(answer);
      }, { withinMs: 5000 });
      // MagicDNS returns IPv6 addresses only for nodes without an IPv4 address.
      const { message } = await client.queryDns(`${bob.identity}.`, { type: "AAAA" });
      assert.deepEqual(decode(Buffer.from(message)).answers, []);
      await failure(client.queryDns(bob.identity, { type: "WAT" as "A" }), "Refused");
    });

    await t.step(`${version}: the serve config is read, changed with its ETag, and read again`, async () => {
      const before = await client.serveConfig();
      assert.equal(before.config, null);
      const config = {
        TCP: { "8443": { TCPForward: "127.0.0.1:1" }, "80": { HTTP: true } },
        Web: { [`${realm.identity}:80`]: { Handlers: { "/": { Text: "hello" } } } },
      };
      await client.setServeConfig(config, { etag: before.etag });
      const after = await client.serveConfig();
      assert.deepEqual(after.config, config);
      assert.notEqual(after.etag, before.etag);
      await failure(client.setServeConfig({}, { etag: before.etag }), "Conflict");
      assert.deepEqual(await client.serveConfig(), after);
      await client.setServeConfig({}, { etag: after.etag });
      assert.deepEqual((await client.serveConfig()).config, {});
      await failure(client.setServeConfig({ TCP: "x" }), "Refused");
    });

    await t.step(`${version}: a tailnet without HTTPS has no certificates`, async () => {
      assert.deepEqual(await client.certDomains(), []);
      const { message } = await failure(client.certificate(realm.identity), "Refused");
      assert(message.includes("does not support getting TLS certs"), message);
      await failure(client.certificate("../status"), "Refused");
    });

    await t.step(`${version}: a daemon that hangs: Timeout; once it continues, it answers`, async () => {
      await realm.tailscaled.pause();
      try {
        // The signal takes effect after a moment.
        await poll("the daemon hangs", async () => {
          const kind = await client.status({ timeoutMs: 300 }).then(() => "the daemon answers", (error) => error.kind);
          return kind === "Timeout" || kind;
        }, { withinMs: 5000 });
        const { signal } = new AbortController();
        using hasty = new LocalClient({ socket: realm.socket, timeoutMs: 300 });
        await failure(hasty.watchIpnBus({ signal }).next(), "Timeout");
      } finally {
        realm.tailscaled.resume();
      }
      assert.equal((await client.status()).BackendState, "Running");
    });

    await t.step(`${version}: following the bus survives the daemon's death`, async () => {
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

  await t.step("capabilities that the policy grants a node: in its whois alone, and follow the policy", async () => {
    const capabilities = async (client: LocalClient, address: string) =>
      (await client.whois(address)).CapMap?.["keystone.io/cap/realm"];
    for (const name of ["bob", "robert"]) {
      await setPolicy(lab, grantingPolicy("bob-home@", [{ name, deep: { list: [1, "two"] } }]));
      for (const [version, realm] of observers) {
        using client = new LocalClient({ socket: realm.socket });
        await poll(`${version}: whois has the policy's capabilities`, async () => {
          const found = JSON.stringify(await capabilities(client, bob.ipv4));
          return found === JSON.stringify([{ name, deep: { list: [1, "two"] } }]) || `found: ${found}`;
        }, { withinMs: 10_000 });
        const other = observers.find(([, each]) => each !== realm)![1];
        assert.equal(await capabilities(client, other.ipv4), undefined);
      }
    }
  });

  await t.step("forwarded connections from the tailnet: whois of the local address names the peer", async () => {
    // Userspace mode connects to the same port on 127.0.0.1.
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using from = new LocalClient({ socket: stable.socket });
    using _dialled = await from.dial(bob.ipv4, listener.addr.port);
    using accepted = await listener.accept();
    using client = new LocalClient({ socket: bob.socket });
    const { hostname, port } = accepted.remoteAddr as Deno.NetAddr;
    const { Node } = await client.whois(`${hostname}:${port}`, { protocol: "tcp" });
    assert.equal(Node.Name, `${stable.identity}.`);
    await failure(client.whois(`${hostname}:${port}`, { protocol: "udp" }), "NotFound");
  });

  for (const [version, realm] of observers) {
    using client = new LocalClient({ socket: realm.socket });

    await t.step(`${version}: dial: 8 MiB pass to a peer and back, and its end is seen`, async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const echoed = listener.accept().then((peer) => peer.readable.pipeTo(peer.writable));
      using connection = await client.dial(bob.identity, listener.addr.port);
      const [sent, size] = [crypto.getRandomValues(new Uint8Array(65_536)), 8 * 2 ** 20];
      const writer = connection.writable.getWriter();
      const written = (async () => {
        for (let bytes = 0; bytes < size; bytes += sent.length) await writer.write(sent);
      })();
      let received = 0;
      for await (const chunk of connection.readable) {
        for (const byte of chunk) if (byte !== sent[received++ % sent.length]) assert.fail(`wrong byte ${received}`);
        // The peer has sent everything: the daemon then ends both directions.
        if (received === size) await writer.close();
      }
      await written;
      assert.equal(received, size);
      await echoed;
    });

    await t.step(`${version}: dial: what was written before the writer is closed arrives`, async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const got = listener.accept().then(async (peer) => (await new Response(peer.readable).bytes()).length);
      using connection = await client.dial(bob.ipv4, listener.addr.port);
      const writer = connection.writable.getWriter();
      for (let chunk = 0; chunk < 64; chunk++) await writer.write(new Uint8Array(65_536));
      await writer.close();
      assert.equal(await got, 4 * 2 ** 20);
      assert.equal((await new Response(connection.readable).bytes()).length, 0);
    });

    await t.step(`${version}: dial: a peer that isn't read is held back`, async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      let sent = 0;
      const flood = listener.accept().then(async (peer) => {
        const chunk = new Uint8Array(65_536);
        try {
          while (true) sent += await peer.write(chunk);
        } catch { /* the reader has gone */ }
        peer.close();
      });
      const connection = await client.dial(bob.ipv4, listener.addr.port);
      let before = -1;
      await poll("the peer can send no more", () => {
        const isStill = sent > 0 && before === sent;
        before = sent;
        return isStill || `${sent} bytes`;
      }, { withinMs: 20_000, everyMs: 1000 });
      assert(sent < 32 * 2 ** 20, String(sent));
      connection.close();
      await flood;
    });

    await t.step(`${version}: dial: refused by the peer, unknown, outside the tailnet`, async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr;
      listener.close();
      await failure(client.dial(bob.ipv4, port), "Refused");
      await failure(client.dial("nobody-has-this-name.tailnet-name.ts.net", 80), "NotFound");
      const { message } = await failure(client.dial("127.0.0.1", port), "NotFound");
      assert(message.includes("127.0.0.1 is not an address of the tailnet"), message);
    });

    await t.step(`${version}: dial: the signal ends it for the peer too; so does the daemon's death`, async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const ended = async () => {
        using peer = await listener.accept();
        return await peer.read(new Uint8Array(1)).catch(() => null);
      };
      const abort = new AbortController();
      const first = ended();
      using aborted = await client.dial(bob.ipv4, listener.addr.port, { signal: abort.signal });
      abort.abort(new Error("enough"));
      assert.equal(await first, null);
      await assert.rejects(new Response(aborted.readable).bytes(), /enough/);
      const second = ended();
      using connection = await client.dial(bob.ipv4, listener.addr.port);
      await realm.tailscaled.kill();
      await new Response(connection.readable).bytes().catch((error) => assert.equal(error.kind, "NotRunning"));
      await realm.tailscaled.start();
      // The peer learns it by itself, in time.
      second.catch(() => {});
    });
  }

  await t.step("a certificate's keeper in a tailnet without HTTPS: no certificate, and the reason", async () => {
    using client = new LocalClient({ socket: stable.socket });
    const keeper = new CertificateKeeper({ client });
    const abort = new AbortController();
    const run = keeper.run(abort.signal);
    await poll("the keeper has asked", () => keeper.problem?.includes("Headscale") || String(keeper.problem), {
      withinMs: 10_000,
    });
    assert.equal(keeper.current, undefined);
    abort.abort();
    await run;
  });

  for (const [version, realm] of observers) {
    using client = new LocalClient({ socket: realm.socket });
    await t.step(`${version}: stopped: it says so, and answers all calls that need no connection`, async () => {
      await client.patchPrefs({ WantRunning: false });
      await daemonIs(realm.socket, "Stopped");
      assert.deepEqual(await answersOf(client, realm.identity), connectedAnswers);
      await client.patchPrefs({ WantRunning: true });
      await daemonIs(realm.socket, "Running");
    });
  }

  for (const [version, realm] of observers) {
    using client = new LocalClient({ socket: realm.socket });
    await t.step(`${version}: expired key: it needs a login, and peers see the expiry`, async () => {
      const { ID } = (await client.status()).Self!;
      const { code, stderr } = await lab.headscaleCli(["nodes", "expire", "--identifier", ID!]);
      assert.equal(code, 0, stderr);
      await daemonIs(realm.socket, "NeedsLogin");
      // It may know that it needs a login before it knows the time of the expiry.
      await poll(`${version} shows that its key has expired`, async () => {
        const { Self } = await client.status();
        return Self?.Expired === true && dateFrom(Self.KeyExpiry)! <= new Date() || JSON.stringify(Self);
      }, { withinMs: 10_000 });
      assert.deepEqual({ ...await answersOf(client, realm.identity), ping: "" }, { ...connectedAnswers, ping: "" });
      using witness = new LocalClient({ socket: bob.socket });
      await poll(`bob sees that the key of ${version} has expired`, async () => {
        const peer = Object.values((await witness.status()).Peer ?? {}).find((peer) => peer.ID === ID);
        return peer?.Expired === true && peer.KeyExpiry !== undefined || JSON.stringify(peer);
      }, { withinMs: 10_000 });
    });
  }

  const binaries = await build(["tailnet", "tailscale-stable"]);
  for (const [version, binary] of [["1.101", "tailscaled"], ["1.98", "tailscaled-stable"]] as const) {
    await t.step(`${version}: never logged in: it answers for itself and knows no peers`, async () => {
      const socket = `${dirname(bob.socket)}/fresh-${version}.sock`;
      const name = `fresh-${version}`;
      await Deno.mkdir(`${lab.dir}/realms/${name}`);
      const daemon = new LabProcess(lab.dir, tailscaled(binaries[binary]!, lab.dir, name, socket, () => false));
      await daemon.start();
      try {
        using client = new LocalClient({ socket });
        const { BackendState, Self, Peer } = await client.status();
        assert.deepEqual([BackendState, Self?.DNSName, Object.keys(Peer ?? {})], ["NeedsLogin", "", []]);
        assert.deepEqual(await answersOf(client, "a.ts.net"), {
          ...connectedAnswers,
          whois: "NotFound",
        });
        const { signal } = new AbortController();
        const bus = client.watchIpnBus({ signal });
        const first = await bus.next();
        assert(!first.done && first.value.State === 2 && first.value.SessionID, JSON.stringify(first));
        await bus.return();
      } finally {
        await daemon.kill();
      }
    });
  }

  await t.step("a socket of another program: Protocol or NotRunning, never an answer", async () => {
    const socket = `${dirname(bob.socket)}/headscale.sock`;
    using client = new LocalClient({ socket, timeoutMs: 2000 });
    const answers = await answersOf(client, "a.ts.net");
    assert(
      Object.values(answers).every((word) => ["Protocol", "NotRunning", "Timeout", "AccessDenied"].includes(word)),
      JSON.stringify(answers),
    );
  });
});
