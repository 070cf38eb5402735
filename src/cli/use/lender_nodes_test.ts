import assert from "node:assert/strict";
import type { TailnetPeer } from "../../tailnet/tailnet_state.ts";
import { lenderNodes } from "./lender_nodes.ts";
import { directRoute } from "./lender_routes.ts";

const suffix = "tailnet-name.ts.net";
const node = (name: string, more: Partial<TailnetPeer> = {}): TailnetPeer => ({
  stableID: name,
  dnsName: name.includes(".") ? name : `${name}.${suffix}`,
  hostName: "",
  addresses: ["100.64.0.1", "fd7a:115c:a1e0::1"],
  online: true,
  expired: false,
  self: false,
  ownerLogin: "alice@example.com",
  ...more,
});
const found = (
  nodes: TailnetPeer[],
  lender: string = "alice-home",
  owner: string | undefined = undefined,
): string[] | string => {
  const search = lenderNodes(nodes, lender, { suffix, owner });
  return "problem" in search ? search.problem : search.nodes.map(({ dnsName }) => dnsName.split(".")[0]!);
};

Deno.test("both replicas: the first before the second, connected ones before others", () => {
  const second = node("alice-home-1");
  assert.deepEqual(found([second, node("alice-home")]), ["alice-home", "alice-home-1"]);
  assert.deepEqual(found([second, node("alice-home", { online: false })]), ["alice-home-1", "alice-home"]);
});

Deno.test("the second node has another owner or other tags: not the lender's", () => {
  assert.deepEqual(found([node("alice-home"), node("alice-home-1", { ownerLogin: "mallory" })]), ["alice-home"]);
  const tagged = { tags: ["tag:keystone"] };
  assert.deepEqual(found([node("alice-home", tagged), node("alice-home-1")]), ["alice-home"]);
  assert.deepEqual(found([node("alice-home", tagged), node("alice-home-1", tagged)]), ["alice-home", "alice-home-1"]);
});

Deno.test("only the second node is left: the lender's if its owner is the recorded one", () => {
  const second = node("alice-home-1");
  assert.deepEqual(found([second], "alice-home", "alice@example.com"), ["alice-home-1"]);
  assert.match(found([second]) as string, /^No node of the tailnet is named alice-home\./);
  assert.match(found([second], "alice-home", "bob@example.com") as string, /^No node/);
});

Deno.test("the node belongs to another owner than in an earlier use: not the lender's, until the use is stopped", () => {
  const taken = node("alice-home", { ownerLogin: "mallory" });
  assert.match(
    found([taken], "alice-home", "alice@example.com") as string,
    /^The node alice-home\.\S+ belongs to mallory now, and to alice@example\.com when .* run keystone use alice-home --stop/,
  );
  assert.deepEqual(found([taken, node("alice-home-1")], "alice-home", "alice@example.com"), ["alice-home-1"]);
  assert.deepEqual(found([node("alice-home")], "alice-home", "alice@example.com"), ["alice-home"]);
});

Deno.test("full names, capitals and a dot at the end: the same node; this node itself is never the lender", () => {
  for (const name of [`alice-home.${suffix}`, `Alice-Home.${suffix}.`, "ALICE-HOME"]) {
    assert.deepEqual(found([node("alice-home")], name), ["alice-home"]);
  }
  assert.match(found([node("alice-home", { self: true })]) as string, /This node sees no other node/);
});

Deno.test("nodes of two other tailnets have the name: asks for the full one; the own tailnet's goes first", () => {
  const [one, two] = [node("alice-home.one.ts.net"), node("alice-home.two.ts.net")];
  assert.match(found([one, two]) as string, /^Several nodes are named alice-home: alice-home\.one\.ts\.net, /);
  assert.deepEqual(found([one, two], "alice-home.two.ts.net"), ["alice-home"]);
  assert.deepEqual(found([one, node("alice-home")]), ["alice-home"]);
});

Deno.test("the machine's routes: the name if it leads to the node, else the address, with the certificate's name", async () => {
  const servers = async (...addresses: string[]) =>
    (await directRoute(node("alice-home"), 8443, () => Promise.resolve(addresses))).connections
      .map(({ server, tlsServerName }) => [server, tlsServerName]);
  const name = `alice-home.${suffix}`;
  const named = [[`http://${name}:8443`, undefined], [`https://${name}:8443`, undefined]];
  const numbered = [["http://100.64.0.1:8443", undefined], ["https://100.64.0.1:8443", name]];
  assert.deepEqual(await servers("100.64.0.1"), named);
  assert.deepEqual(await servers("fd7a:115c:a1e0::1", "100.64.0.1"), named);
  assert.deepEqual(await servers(), numbered);
  assert.deepEqual(await servers("203.0.113.7"), numbered);
  assert.deepEqual(await servers("100.64.0.1", "203.0.113.7"), numbered);
});
