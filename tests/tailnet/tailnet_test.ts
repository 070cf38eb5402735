import assert from "node:assert/strict";
import { dirname } from "node:path";
import { LocalClient } from "../../lib/tailscale/mod.ts";
import { createTailnet, type Peer, type Tailnet } from "../../src/tailnet/tailnet.ts";
import { daemonKnows } from "../fixtures/tailnet.ts";
import { type LabRealm, startLab } from "../lab/lab.ts";
import { poll } from "../lab/poll.ts";

/** What the operator would see through one tailscaled. */
interface Observer {
  version: string;
  realm: LabRealm;
  tailnet: Tailnet;
}

const peer = ({ state }: Tailnet, identity: string): Peer | undefined =>
  state.kind === "running" ? state.peers.get(identity)?.[0] : undefined;
const reason = ({ state }: Tailnet): string => state.kind === "unavailable" ? state.reason : state.kind;

function becomes(what: string, value: () => unknown, expected: unknown, withinMs: number): Promise<void> {
  return poll(what, () => value() === expected || `it is ${value()}`, { withinMs, everyMs: 5 });
}

/** Resolves with the moment at which the tailnet tells that the peer is `online` or not. */
function told(tailnet: Tailnet, identity: string, online: boolean): Promise<number> {
  return new Promise((resolve) => {
    tailnet.onChange(({ names }) => {
      if (names.has(identity) && peer(tailnet, identity)?.online === online) resolve(performance.now());
    });
  });
}

/** `tailscale up` and `tailscale down`. */
async function setWantRunning({ socket }: LabRealm, WantRunning: boolean): Promise<void> {
  using client = new LocalClient({ socket });
  await client.patchPrefs({ WantRunning });
}

Deno.test("the tailnet as seen through real tailscaleds", {
  // The tailnet is the lab's own; a cluster of somebody else's has none to test with.
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

  await t.step("it knows this node and its peers", () =>
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

  for (const online of [false, true]) {
    await t.step(`a peer that is ${online ? "back" : "killed"} is known as soon as tailscaled knows`, async () => {
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
        assert(heard - known < 1000, `told ${heard - known} ms after tailscaled knew`);
      });
      const start = performance.now();
      await (online ? bob.tailscaled.start() : bob.tailscaled.kill());
      await all;
    });
  }

  await t.step("a socket that appears only later is found, a new node is seen by the others", async () => {
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
    "tailscale down and up are told as Stopped and running",
    () =>
      each(async ({ version, realm, tailnet }) => {
        await setWantRunning(realm, false);
        await becomes(`${version}: tailnet`, () => reason(tailnet), "Stopped", 5000);
        await setWantRunning(realm, true);
        await becomes(`${version}: tailnet`, () => reason(tailnet), "running", 10_000);
      }),
  );

  await t.step(
    "a tailscaled that is killed is unavailable within 1 s, and back within 1 s of its return",
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
    "a tailscaled that hangs is unavailable within 10 s, and back within 3 s of going on",
    () =>
      each(async ({ version, realm, tailnet }) => {
        await realm.tailscaled.pause();
        const start = performance.now();
        try {
          await becomes(`${version}: tailnet`, () => reason(tailnet), "TailscaledUnreachable", 10_000);
        } finally {
          realm.tailscaled.resume();
        }
        console.log(`${version}: hang noticed after ${Math.round(performance.now() - start)} ms`);
        await becomes(`${version}: tailnet`, () => reason(tailnet), "running", 3000);
      }),
  );

  abort.abort();
  await Promise.all(runs);
});
