import assert from "node:assert/strict";
import { canonicalTerms, digestOf, type DigestTerms, subjectTexts } from "./digest.ts";

const terms: DigestTerms = {
  purpose: "backups",
  quorum: 2,
  members: [
    { realm: "bob-home", contribution: { cpu: "1500m", memory: "4Gi" } },
    { realm: "alice-home", contribution: { "requests.cpu": 2, pods: "10" } },
  ],
};

// Known answers, by `printf '%s' JSON | sha256sum`: a release must never change the digest of approved terms.
Deno.test("the digest is the SHA-256 of the canonical JSON", async () => {
  const json = '{"members":[{"contribution":{"pods":"10","requests.cpu":"2"},"realm":"alice-home"},' +
    '{"contribution":{"requests.cpu":"1500m","requests.memory":"4Gi"},"realm":"bob-home"}],' +
    '"name":"coop","purpose":"backups","quorum":2}';
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(json));
  const hex = [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  assert.equal(digestOf("coop", terms), `sha256:${hex}`);
  assert.equal(digestOf("coop", terms), "sha256:719709a7d9074eecec2718084dcb288baca5db261304a8f58a54a1be0ac6fa39");
});

Deno.test("the digest contains a member's subjects if its Realm names others than its own group", () => {
  const [bobs, alices] = [["Group friends", "User bob@example.com"], ["Group keystone:realm:alice-home"]];
  assert.equal(
    digestOf("coop", terms, new Map([["alice-home", alices], ["bob-home", bobs]])),
    "sha256:0551a4a1a7d45f3c1644fe13975366308f823ff1db4264178c905d0f78a4cc91",
  );
  assert.equal(digestOf("coop", terms, new Map([["alice-home", alices]])), digestOf("coop", terms));
  assert.notEqual(
    digestOf("coop", terms, new Map([["alice-home", []]])),
    digestOf("coop", terms),
    "no subjects differs from the default group",
  );
});

Deno.test("subjects are written as kind and name, sorted and unique", () => {
  const [group, user] = [{ kind: "Group" as const, name: "friends" }, { kind: "User" as const, name: "bob" }];
  assert.deepEqual(subjectTexts("bob-home", [user, group, user]), ["Group friends", "User bob"]);
  assert.deepEqual(subjectTexts("bob-home", undefined), ["Group keystone:realm:bob-home"]);
  assert.deepEqual(subjectTexts("bob-home", []), []);
});

Deno.test("digest of a purpose in any script, and of a missing one", () => {
  const members = [{ realm: "a" }];
  assert.equal(
    digestOf("coop", { purpose: 'Gemüse "&" 🥕\n', members }),
    "sha256:4eaa772c5c08e63f7e5e080d5a7bb9ec901d764aef795e95c0ac1195b4d04dba",
  );
  assert.equal(
    digestOf("coop", { members }),
    "sha256:c5e92ddea7a01d445c6bd554b856435b7ea2215b6a248d8ed85503f95386b1ab",
  );
  assert.equal(digestOf("coop", { members }), digestOf("coop", { purpose: "", members }));
});

const same: [string, Partial<DigestTerms>][] = [
  ["the members in another order", { members: [...terms.members].reverse() }],
  [
    "other spellings of the same quantities",
    {
      members: [
        { realm: "bob-home", contribution: { "requests.cpu": "1.5", memory: "4096Mi" } },
        { realm: "alice-home", contribution: { pods: 10, cpu: "2000m" } },
      ],
    },
  ],
  [
    "bytes as a number",
    {
      members: [
        { realm: "bob-home", contribution: { cpu: "15e-1", "requests.memory": 4294967296 } },
        terms.members[1]!,
      ],
    },
  ],
  ["no quorum instead of all", { quorum: undefined } as never],
];
for (const [what, change] of same) {
  Deno.test(`${what}: the same digest`, () => {
    assert.equal(digestOf("coop", { ...terms, ...change } as DigestTerms), digestOf("coop", terms));
  });
}

const [bob, alice] = terms.members as [DigestTerms["members"][0], DigestTerms["members"][0]];
const other: [string, DigestTerms, string?][] = [
  ["another name", terms, "co"],
  ["another purpose", { ...terms, purpose: "backup" }],
  ["another quorum", { ...terms, quorum: 1 }],
  ["an additional member", { ...terms, members: [...terms.members, { realm: "carol-home" }] }],
  ["one member less", { ...terms, members: [bob] }],
  ["another member", { ...terms, members: [bob, { ...alice, realm: "carol-home" }] }],
  ["a larger contribution", {
    ...terms,
    members: [bob, { ...alice, contribution: { "requests.cpu": 3, pods: "10" } }],
  }],
  ["a slightly smaller contribution", {
    ...terms,
    members: [{ ...bob, contribution: { cpu: "1499999999n", memory: "4Gi" } }, alice],
  }],
  ["limits for requests", { ...terms, members: [bob, { ...alice, contribution: { "limits.cpu": 2, pods: "10" } }] }],
  ["contributions swapped", {
    ...terms,
    members: [{ ...bob, contribution: alice.contribution! }, { ...alice, contribution: bob.contribution! }],
  }],
];
for (const [what, changed, name = "coop"] of other) {
  Deno.test(`${what}: another digest`, () => {
    assert.notEqual(digestOf(name, changed), digestOf("coop", terms));
  });
}

Deno.test("both spellings of a resource: the smaller quantity counts, in any order", () => {
  const of = (contribution: Record<string, number>) =>
    (canonicalTerms("coop", { members: [{ realm: "a", contribution }] }).members as { contribution: unknown }[])[0]!
      .contribution;
  assert.deepEqual(of({ secrets: 5, "count/secrets": 3 }), { secrets: "3" });
  assert.deepEqual(of({ "count/secrets": 3, secrets: 5 }), { secrets: "3" });
});
