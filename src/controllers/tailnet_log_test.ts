import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { noTailnet, type Tailnet, type TailnetState } from "../tailnet/tailnet.ts";
import { logTailnet, tailnetRemark } from "./tailnet_log.ts";

const node = (dnsName: string, online: boolean, self = false) => ({
  stableID: dnsName,
  dnsName,
  hostName: dnsName,
  addresses: [],
  online,
  expired: false,
  self,
});

const running = (online = true): TailnetState => ({
  kind: "running",
  self: node("alice.ts.net", online, true),
  peers: new Map([
    ["alice.ts.net", [node("alice.ts.net", online, true)]],
    ["bob.ts.net", [node("bob.ts.net", true)]],
    ["carol.ts.net", [node("carol.ts.net", false)]],
  ]),
});
const unavailable: TailnetState = {
  kind: "unavailable",
  reason: "TailscaledUnreachable",
  message: "tailscaled at /run/ts.sock isn't running; start it",
};

Deno.test("tailnet's log: gone and back: one line each, with what stays and how long it was away", async () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  let listener = () => {};
  let state = running();
  const tailnet: Tailnet = {
    ...noTailnet,
    get state() {
      return state;
    },
    onChange: (each) => listener = () => each({ names: new Set(), all: true }),
  };
  const note = (level: string) => (message: string, properties: Record<string, unknown> = {}) =>
    lines.push(`${level} ${message.replace(/\{(\w+)\}/g, (_, name) => String(properties[name]))}`);
  logTailnet(tailnet, { log: { info: note("info"), warn: note("warn") }, clock });
  const show = (next: TailnetState) => {
    state = next;
    listener();
  };
  show(running());
  assert.deepEqual(lines, []);
  show(unavailable);
  show({ ...unavailable });
  assert.equal(lines.length, 1);
  assert.match(
    lines[0]!,
    /^warn The tailnet is unavailable: tailscaled at \/run\/ts\.sock isn't running; start it\. Realms are Unknown .* stays open/,
  );
  assert.match(tailnetRemark(tailnet)!, /^The tailnet is unavailable: tailscaled at/);
  await clock.advance(125_000);
  show(running());
  assert.deepEqual(lines.slice(1), [
    "info Connected to the tailnet again after 2 min 5 s as alice.ts.net; 1 of 2 other nodes is online.",
  ]);
  assert.equal(tailnetRemark(tailnet), undefined);
  show(running(false));
  assert.match(lines[2]!, /^warn The tailnet's control server doesn't respond/);
});
