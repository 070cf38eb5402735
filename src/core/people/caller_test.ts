import assert from "node:assert/strict";
import { now, realm, superEntity } from "../../../tests/fixtures/made_facts.ts";
import { whoisOf } from "../../../tests/fixtures/made_whois.ts";
import type { RealmFacts, SuperEntityFacts } from "../facts.ts";
import { granteeFrom } from "../grant/parties.ts";
import { rfc3339 } from "../instants.ts";
import { type Caller, callerOf } from "./caller.ts";
import { strangerSentence } from "./stranger.ts";
import { identityFrom } from "./tailnet_identity.ts";

type Answer = Parameters<typeof whoisOf>[0];

/** Returns a Realm whose node is verified. */
const verified = (facts: Parameters<typeof realm>[0] = {}): RealmFacts => {
  const name = facts.name ?? "bob-home";
  return realm({
    name,
    trustedNode: "nBOB1CNTRL",
    status: {
      node: { stableID: "nBOB1CNTRL", name: `${name}.tailnet-name.ts.net`, addresses: ["100.64.0.2"] },
      conditions: [{
        type: "IdentityVerified",
        status: "True",
        reason: "NodePinned",
        message: "",
        lastTransitionTime: rfc3339(now),
      }],
    },
    ...facts,
  });
};

const callerFor = (answer: Answer, realms: RealmFacts[], localRealm: string | undefined = "alice-home"): Caller =>
  callerOf(identityFrom(whoisOf(answer)), { realms, localRealm });

/** The realms that the node acts for, each with the reason. */
const because = (answer: Answer, ...realms: RealmFacts[]) => callerFor(answer, realms).because;
const laptop = { node: { StableID: "nLAP1CNTRL", Name: "bobs-laptop.tailnet-name.ts.net." } };

Deno.test("caller: the pinned node acts for its realm", () => {
  const caller = callerFor({}, [verified(), verified({ name: "carol-home", trustedNode: "nCAROL" })]);
  assert.deepEqual(caller.realms, ["bob-home"]);
  assert.deepEqual(caller.because, { "bob-home": "pin" });
  assert.equal(caller.isViewer, false);
});

Deno.test("caller: the pin doesn't match in one thing: nobody", () => {
  const cases: Record<string, [Answer, RealmFacts]> = {
    "another node has the name": [{ node: { StableID: "nEVE1CNTRL" } }, verified()],
    "the pinned node has another name": [{ node: { Name: "other.tailnet-name.ts.net." } }, verified()],
    "the name with a suffix": [{ node: { Name: "bob-home.tailnet-name.ts.net.evil.example." } }, verified()],
    "nothing is pinned": [{}, (({ trustedNode: _, ...facts }) => facts)(verified()) as RealmFacts],
    "another node is pinned since": [{}, verified({ trustedNode: "nNEW1CNTRL" })],
    "the identity has changed since": [{}, verified({ spec: { identity: "robert.tailnet-name.ts.net" } })],
    "the status has no node": [{}, verified({ status: {} })],
    "not verified": [{}, verified({ status: { node: verified().status.node! } })],
    "the Realm is being deleted": [{}, verified({ deleting: true })],
  };
  for (const [name, [answer, facts]] of Object.entries(cases)) assert.deepEqual(because(answer, facts), {}, name);
});

Deno.test("caller: two Realms have the same identity: the node acts for neither, until one is being deleted", () => {
  const rival = (deleting: boolean) =>
    realm({ name: "robert", spec: { identity: "Bob-Home.tailnet-name.ts.net." }, deleting });
  assert.deepEqual(because({}, verified(), rival(false)), {});
  assert.deepEqual(because({}, verified(), rival(true)), { "bob-home": "pin" });
});

Deno.test("caller: a login or a tag of spec.people acts for the realm, for several too", () => {
  const people = (name: string, ...people: RealmFacts["spec"]["people"] & object) => realm({ name, spec: { people } });
  const byLogin = [people("bob-home", { login: "bob@example.com" }), people("club", { login: "bob@example.com" })];
  assert.deepEqual(callerFor(laptop, byLogin).realms, ["bob-home", "club"]);
  const byTag = people("bob-home", { login: "x" }, { tag: "tag:bob-ci" });
  assert.deepEqual(because({ node: { ...laptop.node, Tags: ["tag:a", "tag:bob-ci"] } }, byTag), {
    "bob-home": "person",
  });
});

Deno.test("caller: a login or a tag that isn't exactly the listed one: nobody", () => {
  const listed = realm({ spec: { people: [{ login: "bob@example.com" }, { tag: "tag:bob-ci" }] } });
  for (const login of ["Bob@example.com", "bob@example.com ", "bob@example.com.evil", "bob", "bob@example.co", "*"]) {
    assert.deepEqual(because({ ...laptop, login }, listed), {}, login);
  }
  for (const Tags of [["tag:bob"], ["tag:bob-ci-2"], ["bob-ci"], ["Tag:bob-ci"], ["login:bob@example.com"]]) {
    assert.deepEqual(because({ node: { ...laptop.node, Tags } }, listed), {}, Tags.join());
  }
});

Deno.test("caller: a tagged node acts for its tags and not for the login that made it", () => {
  const listed = realm({ spec: { people: [{ login: "bob@example.com" }, { login: "tagged-devices" }] } });
  assert.deepEqual(because({ node: { ...laptop.node, Tags: ["tag:server"] } }, listed), {});
  assert.deepEqual(because({ node: { ...laptop.node, Tags: ["odd"] } }, listed), {});
  assert.deepEqual(because({ ...laptop, login: "tagged-devices" }, listed), {});
});

Deno.test("caller: a node of another tailnet acts for a login only with its StableID, and never by a tag", () => {
  const sharee = { node: { ...laptop.node, Name: "", Hostinfo: { ShareeNode: true } } };
  const of = (...people: RealmFacts["spec"]["people"] & object) => realm({ spec: { people } });
  assert.deepEqual(because(sharee, of({ login: "bob@example.com" })), {});
  assert.deepEqual(because(sharee, of({ login: "bob@example.com", stableID: "nOTHER" })), {});
  assert.deepEqual(because(sharee, of({ login: "eve@example.com", stableID: "nLAP1CNTRL" })), {});
  assert.deepEqual(because(sharee, of({ login: "bob@example.com", stableID: "nLAP1CNTRL" })), { "bob-home": "person" });
  const shared = { node: { ...laptop.node, Sharer: 7 } };
  assert.deepEqual(because(shared, of({ login: "bob@example.com" })), {});
  const tagged = { node: { ...sharee.node, Tags: ["tag:bob-ci"] } };
  assert.deepEqual(because(tagged, of({ tag: "tag:bob-ci" })), {});
});

Deno.test("caller: a StableID limits a login of this tailnet to one node", () => {
  const one = realm({ spec: { people: [{ login: "bob@example.com", stableID: "nLAP1CNTRL" }] } });
  assert.deepEqual(because(laptop, one), { "bob-home": "person" });
  assert.deepEqual(because({ node: { StableID: "nPHONE" } }, one), {});
});

Deno.test("caller: the capability with the realm's name acts for it; other arguments for nobody", () => {
  const granted = (...values: unknown[]) =>
    because({ ...laptop, capMap: { "keystone.io/cap/realm": values } }, realm());
  assert.deepEqual(granted({ name: "bob-home" }), { "bob-home": "capability" });
  assert.deepEqual(granted("odd", { name: "bob-home" }), { "bob-home": "capability" });
  const odd = [
    [],
    [null],
    ["bob-home"],
    [["bob-home"]],
    [{}],
    [{ name: "*" }],
    [{ name: "BOB-HOME" }],
    [{ name: ["bob-home"] }],
    [{ name: { toString: "bob-home" } }],
    [{ names: ["bob-home"] }],
    [{ name: "bob-home", readOnly: true }],
    [{ name: "no-such-realm" }],
    [JSON.parse('{"__proto__": {"name": "bob-home"}}')],
  ];
  for (const values of odd) assert.deepEqual(granted(...values), {}, JSON.stringify(values));
  assert.deepEqual(because({ ...laptop, capMap: { "keystone.io/cap/realm": null } }, realm()), {});
  assert.deepEqual(because({ ...laptop, capMap: { "example.com/cap/realm": [{ name: "bob-home" }] } }, realm()), {});
});

Deno.test("caller: the Realm is being deleted: neither a person nor a capability acts for it", () => {
  const capMap = { "keystone.io/cap/realm": [{ name: "bob-home" }] };
  const gone = realm({ deleting: true, spec: { people: [{ login: "bob@example.com" }] } });
  assert.deepEqual(because({ ...laptop, capMap }, gone), {});
});

Deno.test("caller: people of the local realm are viewers and don't act for it", () => {
  const local = verified({ name: "alice-home", spec: { people: [{ login: "bob@example.com" }] } });
  const { realms, isViewer } = callerFor({ node: { Name: "alice-home.tailnet-name.ts.net." } }, [local]);
  assert.deepEqual([realms, isViewer], [[], true]);
  assert.equal(callerOf(identityFrom(whoisOf()), { realms: [local], localRealm: undefined }).isViewer, false);
  assert.equal(callerFor({ login: "eve@example.com" }, [local]).isViewer, false);
  assert.equal(callerFor({}, [{ ...local, deleting: true }]).isViewer, false);
});

Deno.test("caller: the capability viewer without arguments, or with an empty one, is a viewer", () => {
  const isViewer = (values: unknown[] | null) =>
    callerFor({ capMap: { "keystone.io/cap/viewer": values } }, []).isViewer;
  for (const values of [null, [], [{}], ["odd", {}]]) assert.equal(isViewer(values), true, JSON.stringify(values));
  for (const values of [[null], ["*"], [{ realms: [] }], [[]]]) assert.equal(isViewer(values), false, String(values));
});

Deno.test("caller: an identity without StableID or address acts for nobody, whatever else it has", () => {
  const all = verified({ spec: { people: [{ login: "bob@example.com" }, { tag: "tag:x" }] } });
  const local = realm({ name: "alice-home", spec: { people: [{ login: "bob@example.com" }] } });
  const capMap = { "keystone.io/cap/realm": [{ name: "bob-home" }], "keystone.io/cap/viewer": null };
  for (const node of [{ StableID: "" }, { StableID: "n B" }, { Addresses: null }, { Addresses: ["100.64.0.0/10"] }]) {
    const caller = callerFor({ node, capMap }, [all, local]);
    assert.deepEqual([caller.realms, caller.isViewer, caller.because], [[], false, {}], JSON.stringify(node));
  }
});

Deno.test("caller: an empty field of the identity matches no empty field of a Realm", () => {
  const empty = realm({ trustedNode: "", spec: { identity: "", people: [{}, { login: "" }, { tag: "" }] } });
  for (const login of ["", null]) {
    assert.deepEqual(because({ login, node: { Name: "", Tags: null } }, empty), {});
    assert.deepEqual(because({ login, node: { Name: null, Tags: [""] } }, empty), {});
  }
});

Deno.test("a stranger gets its node, its login and what would admit it, and no realm's name", () => {
  const said = (answer: Answer) => strangerSentence(callerFor(answer, [verified({ name: "secret-realm" })]));
  const policy = "the tailnet's policy can grant it keystone.io/cap/realm with the realm's name.";
  assert.equal(
    said(laptop),
    "Node bobs-laptop.tailnet-name.ts.net (nLAP1CNTRL) with login bob@example.com acts for no realm here. " +
      `To admit it, the lender adds {login: bob@example.com} to spec.people of your Realm, or ${policy}`,
  );
  assert.equal(
    said({ node: { ...laptop.node, Tags: ["tag:ci", "tag:b"] } }),
    "Node bobs-laptop.tailnet-name.ts.net (nLAP1CNTRL) with tags tag:b, tag:ci acts for no realm here. " +
      `To admit it, the lender adds {tag: tag:b} to spec.people of your Realm, or ${policy}`,
  );
  assert.equal(
    said({ node: { ...laptop.node, Hostinfo: { ShareeNode: true } } }),
    "Node nLAP1CNTRL with login bob@example.com, of another tailnet, acts for no realm here. " +
      `To admit it, the lender adds {login: bob@example.com, stableID: nLAP1CNTRL} to spec.people of your Realm, or ${policy}`,
  );
  assert.equal(
    said({ ...laptop, login: "" }),
    `Node bobs-laptop.tailnet-name.ts.net (nLAP1CNTRL) with no login acts for no realm here. To admit it, ${policy}`,
  );
  assert.match(said({ node: { StableID: "" } }), /^The tailnet reports no identity for this node/);
});

/** The realms of Bob's node beside a SuperEntity of alice-home and bob-home. */
const pooled = (facts: Parameters<typeof superEntity>[0] = {}, ...realms: RealmFacts[]) => {
  const entity: SuperEntityFacts = superEntity(facts);
  const grantee = granteeFrom(undefined, entity, (name) => realms.find((each) => each.name === name))!;
  return callerOf(identityFrom(whoisOf()), { realms, entities: [grantee], localRealm: "alice-home" }).because;
};

Deno.test("caller: a member's node acts for the SuperEntity too, while the member's approval counts", () => {
  assert.deepEqual(pooled({}, verified()), { "bob-home": "pin", coop: "member" });
  assert.deepEqual(pooled({ approvedBy: ["alice-home"], spec: { quorum: 1 } }, verified()), { "bob-home": "pin" });
  assert.deepEqual(pooled({ approvedBy: ["bob-home"], spec: { quorum: 1 } }, verified()), {
    "bob-home": "pin",
    coop: "member",
  });
});

Deno.test("caller: a SuperEntity without enough approvals, or of others: nobody acts for it", () => {
  assert.deepEqual(pooled({ approvedBy: ["bob-home"] }, verified()), { "bob-home": "pin" });
  assert.deepEqual(pooled({ contributions: { "alice-home": { cpu: 1 }, "carol-home": { cpu: 1 } } }, verified()), {
    "bob-home": "pin",
  });
  assert.deepEqual(pooled({}, verified({ deleting: true })), {});
});

Deno.test("caller: people of a Realm with the name of a SuperEntity don't act for it", () => {
  const { login } = identityFrom(whoisOf());
  const claimed = realm({ name: "coop", spec: { identity: "coop.tailnet-name.ts.net", people: [{ login }] } });
  assert.deepEqual(pooled({ contributions: { "alice-home": { cpu: 1 }, "carol-home": { cpu: 1 } } }, claimed), {});
});
