import assert from "node:assert/strict";
import { LoopbackGuard } from "./loopback_guard.ts";
import type { TailnetChange, TailnetState } from "./tailnet_state.ts";

/** A tailnet in the given state. */
function tailnet(state: TailnetState) {
  const listeners: ((change: TailnetChange) => void)[] = [];
  return {
    state,
    onChange: (listener: (change: TailnetChange) => void) => void listeners.push(listener),
    become(next: TailnetState) {
      this.state = next;
      for (const listener of listeners) listener({ names: new Set(), all: true });
    },
  };
}

const unavailable = (tun?: boolean): TailnetState => ({
  kind: "unavailable",
  reason: "Starting",
  message: "",
  ...(tun === undefined ? {} : { tun }),
});

Deno.test("loopback: no tailscaled: open", () => {
  assert.equal(new LoopbackGuard(undefined, tailnet({ kind: "none" })).closed, undefined);
});

Deno.test("loopback: mode of tailscaled is unknown: closed", () => {
  assert.match(
    new LoopbackGuard("/ts.sock", tailnet(unavailable())).closed!,
    /\/ts\.sock has not reported its mode yet/,
  );
});

Deno.test("loopback: userspace mode: closed, with the remedy; TUN: open; unreachable: unchanged", () => {
  const stage = tailnet(unavailable());
  const guard = new LoopbackGuard("/ts.sock", stage);
  const told: (string | undefined)[] = [];
  guard.subscribe((closed) => told.push(closed?.match(/not reported its mode yet|userspace mode, so/)?.[0]));
  stage.become(unavailable(false));
  assert.match(guard.closed!, /runs in userspace mode.*--listen ADDRESS:PORT.*TUN device/);
  stage.become(unavailable(true));
  stage.become(unavailable());
  assert.equal(guard.closed, undefined);
  stage.become(unavailable(false));
  assert.deepEqual(told, ["not reported its mode yet", "userspace mode, so", undefined, "userspace mode, so"]);
});
