/** A tailscaled that hangs, floods, lies or sends garbage: its data is rejected, and nothing else is affected. */
import assert from "node:assert/strict";
import type { NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { createTailnet } from "../../src/tailnet/local_tailnet.ts";
import type { TailnetState } from "../../src/tailnet/tailnet.ts";
import { hostileTailscaled } from "../fixtures/hostile.ts";
import { type HostileMode, hostileModes } from "../fixtures/hostile_tailscaled.ts";
import { eventually, prepared, secondsFromNow, startOperator, step } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";
import { poll } from "../lab/poll.ts";

/** Expected state of the tailnet in each mode. */
const expected: Record<HostileMode, (state: TailnetState) => boolean> = {
  "hang": unreachable,
  "drip": unreachable,
  "noise": unreachable,
  "reset": unreachable,
  "nonsense": unreachable,
  "wrong-types": unreachable,
  "endless-line": unreachable,
  "lies": (state) => state.kind === "running" && bobs(state).flatMap(({ addresses }) => addresses).length === 0,
  "many-lines": (state) => state.kind === "running" && bobs(state).length === 1,
  "long-lines": (state) => state.kind === "running" && bobs(state).length === 1,
  "news": (state) => state.kind === "running" && bobs(state).length === 1,
  "good": (state) => state.kind === "running" && bobs(state).length === 1,
};

function unreachable(state: TailnetState): boolean {
  return state.kind === "unavailable" && state.reason === "TailscaledUnreachable";
}

function bobs(state: TailnetState & { kind: "running" }) {
  return state.peers.get("bob-home.tailnet-name.ts.net") ?? [];
}

/** Measures the delay of timers in this process. */
class Lateness implements Disposable {
  worstMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const wait = (since: number) => {
      this.#timer = setTimeout(() => {
        const now = performance.now();
        this.worstMs = Math.max(this.worstMs, now - since - 10);
        wait(now);
      }, 10);
    };
    wait(performance.now());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

const brief = (state: TailnetState) => JSON.stringify({ ...state, peers: undefined, self: undefined });

/** Asserts that the tailnet rejects a hostile tailscaled, and recovers once a good one replaces it. */
async function seenThrough(mode: HostileMode): Promise<void> {
  const dir = await Deno.makeTempDir();
  const socket = `${dir}/tailscaled.sock`;
  const abort = new AbortController();
  const tailnet = createTailnet({ socket });
  const is = (what: string, mode: HostileMode, withinMs: number) =>
    poll(what, () => expected[mode](tailnet.state) || brief(tailnet.state), { withinMs });
  let run: Promise<void> | undefined;
  try {
    {
      await using _hostile = await hostileTailscaled(socket, mode);
      run = tailnet.run(abort.signal);
      await tailnet.ready(AbortSignal.timeout(10_000));
      await is(`${mode} has the expected state`, mode, 10_000);
      // Keep polling: the state must not change.
      const until = performance.now() + 4000;
      await poll("4 s have passed", () => {
        assert(expected[mode](tailnet.state), brief(tailnet.state));
        return performance.now() > until || "not yet";
      }, { withinMs: 10_000 });
    }
    await using _good = await hostileTailscaled(socket, "good");
    await is("a good tailscaled is found", "good", 15_000);
  } finally {
    abort.abort();
    await run;
    await Deno.remove(dir, { recursive: true });
  }
}

/** Modes that cost CPU, measured one by one; the others only keep a reader waiting. */
const busy = new Set<HostileMode>(["endless-line", "many-lines", "long-lines", "news"]);
const groups = [hostileModes.filter((mode) => !busy.has(mode)), ...[...busy].map((mode) => [mode])];

for (const modes of groups) {
  Deno.test(`a tailscaled that misbehaves (${modes.join(", ")}): rejected at little cost, and recovered from once it is replaced`, async () => {
    using lateness = new Lateness();
    const before = Deno.memoryUsage().rss;
    await Promise.all(modes.map(seenThrough));
    const grown = (Deno.memoryUsage().rss - before) / 2 ** 20;
    console.log(`${modes}: late by ${Math.round(lateness.worstMs)} ms at worst, ${Math.round(grown)} MiB more memory`);
    assert(lateness.worstMs < 2000, `late by ${lateness.worstMs} ms`);
    assert(grown < 500, `${grown} MiB more memory`);
  });
}

Deno.test("hostile tailscaleds: grants are enforced and end on time", async (t) => {
  await using lab = await startLab();
  using cluster = await prepared(lab);
  const dir = await Deno.makeTempDir();
  const socket = `${dir}/tailscaled.sock`;
  await cluster.createRealm("bob-home");
  try {
    for (const mode of ["hang", "noise", "lies", "endless-line", "long-lines", "news"] as const) {
      await step(t, `${mode}, from the operator's start`, async () => {
        await using _hostile = await hostileTailscaled(socket, mode);
        await using operator = await startOperator(lab, { realm: "alice-home", tailnet: createTailnet({ socket }) });
        const name = `under-${mode}`;
        const end = secondsFromNow(9);
        await cluster.create({ name, to: "bob-home", until: end.text, termination: { noticeSeconds: 0 } });
        await cluster.grantIn("Active", name, 8000);
        assert(Date.now() < end.at - 1000, "the Grant took too long to become Active");
        await cluster.grantIn("Expired", name, 20_000);
        const late = Date.now() - end.at;
        console.log(`${mode}: expired ${late} ms after its end, ${operator.writes().length} writes`);
        assert(late < 2000, `expired ${late} ms late`);
        const realm = await eventually("the Realm has a status", async () => {
          const realm = await cluster.realms.get("bob-home");
          return realm.status?.connectionState ? realm : "none yet";
        });
        assert((realm.status!.node?.addresses ?? []).every((address) => address.startsWith("100.64.")));
        const policies: NetworkPolicy[] = (await cluster.policies.list()).items;
        const open = JSON.stringify(policies.flatMap(({ spec }) => [spec?.egress, spec?.ingress]));
        assert(!/0\.0\.0\.0|::\/0|10\.96\.0\.1|169\.254/.test(open), open);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
