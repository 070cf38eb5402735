import assert from "node:assert/strict";
import { whoisOf } from "../../../tests/fixtures/made_whois.ts";
import { identityFrom, isSameLogin, type TailnetIdentity } from "./tailnet_identity.ts";

type Answer = Parameters<typeof whoisOf>[0];
const identity = (answer: Answer = {}): TailnetIdentity => identityFrom(whoisOf(answer));

Deno.test("identity: read from the daemon's answer, in canonical form", () => {
  assert.deepEqual(identity({ capMap: { "keystone.io/cap/realm": [{ name: "x" }], "tailscale.com/cap/file": null } }), {
    stableId: "nBOB1CNTRL",
    node: "bob-home.tailnet-name.ts.net",
    login: "bob@example.com",
    tags: [],
    capabilities: { "keystone.io/cap/realm": [{ name: "x" }] },
    addresses: ["100.64.0.2", "fd7a:115c:a1e0::2"],
    isShared: false,
    key: `nodekey:${"b0".repeat(32)}`,
  });
});

Deno.test("identity: odd values are empty, never something else", () => {
  const odd = identity({
    node: {
      StableID: "n\nB",
      Name: "bob home.",
      Key: "x",
      Tags: ["tag:", "tag:ok", "x", "tag:a b"],
      Addresses: ["100.64.0.0/10", "x", "::ffff:1.2.3.4/128", "010.0.0.1/32", "100.64.0.3/32"],
    },
  });
  assert.deepEqual(odd, {
    stableId: "",
    node: "",
    login: "",
    tags: ["tag:ok"],
    capabilities: {},
    addresses: ["100.64.0.3"],
    isShared: false,
    key: "",
  });
  for (const login of ["", " ", "bob\u200b@example.com", "bob @example.com", "a\nb", "x".repeat(254), null]) {
    assert.equal(identity({ login }).login, "", JSON.stringify(login));
  }
});

Deno.test("identity: a node that logged in again, or belongs to somebody else, has another login", () => {
  const before = identity();
  assert.equal(isSameLogin(before, identity({ capMap: { "keystone.io/cap/viewer": null } })), true);
  assert.equal(isSameLogin(before, identity({ node: { Name: "renamed.tailnet-name.ts.net." } })), true);
  for (
    const answer of [
      { node: { StableID: "n2" } },
      { node: { Key: `nodekey:${"b1".repeat(32)}` } },
      { login: "eve@example.com" },
      { node: { Tags: ["tag:x"] } },
      { node: { Sharer: 3 } },
    ]
  ) {
    assert.equal(isSameLogin(before, identity(answer)), false, JSON.stringify(answer));
  }
});
