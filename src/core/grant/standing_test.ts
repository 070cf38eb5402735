import assert from "node:assert/strict";
import { alice, grant, now, realm } from "../../../tests/fixtures/facts.ts";
import type { GrantFacts, LocalRealm, RealmFacts } from "../facts.ts";
import { standingOf } from "./standing.ts";

const at = (ms: number): string => new Date(now + ms).toISOString();

interface Case {
  that: string;
  grant?: GrantFacts;
  realm?: RealmFacts | undefined;
  local?: LocalRealm;
  is: string;
  says?: RegExp;
  wakeIn?: number;
}

const active = { phase: "Active" as const };
const cases: Case[] = [
  { that: "a grant to a known realm is due", is: "due" },
  {
    that: "it wakes at its end",
    grant: grant({ spec: { validity: { validUntil: at(5000) } } }),
    is: "due",
    wakeIn: 5000,
  },
  {
    that: "the end is not included",
    grant: grant({ spec: { validity: { validUntil: at(0) } } }),
    is: "Expired",
    says: /Ended at 2026/,
  },
  {
    that: "the last millisecond is",
    grant: grant({ spec: { validity: { validUntil: at(1) } } }),
    is: "due",
    wakeIn: 1,
  },
  { that: "the start is included", grant: grant({ spec: { validity: { validFrom: at(0) } } }), is: "due" },
  {
    that: "before its start it waits",
    grant: grant({ spec: { validity: { validFrom: at(1), validUntil: at(9) } } }),
    is: "NotYetValid",
    says: /Begins at 2026/,
    wakeIn: 1,
  },
  {
    that: "a start moved into the future takes an active grant back",
    grant: grant({ status: active, spec: { validity: { validFrom: at(1) } } }),
    is: "NotYetValid",
    wakeIn: 1,
  },
  { that: "an unknown grantee is waited for", realm: undefined, is: "GranteeUnknown", says: /no Realm bob-home/ },
  {
    that: "an unknown grantee does not keep it from expiring",
    realm: undefined,
    grant: grant({ spec: { validity: { validUntil: at(0) } } }),
    is: "Expired",
  },
  { that: "a realm that is being deleted counts as unknown", realm: realm({ deleting: true }), is: "GranteeUnknown" },
  { that: "a lost realm does not end what is active", realm: undefined, grant: grant({ status: active }), is: "due" },
  {
    that: "another grantor's grant is not ours",
    local: { kind: "known", name: "carol" },
    is: "GrantorNotLocal",
    says: /alice-home.*carol/,
  },
  {
    that: "a changed identity tears nothing down",
    local: { kind: "known", name: "carol" },
    grant: grant({ status: active }),
    is: "due",
  },
  {
    that: "an unknown identity activates nothing",
    local: { kind: "unknown", message: "no answer" },
    is: "LocalRealmUnknown",
    says: /no answer/,
  },
  {
    that: "an unknown identity tears nothing down",
    local: { kind: "unknown", message: "" },
    grant: grant({ status: active }),
    is: "due",
  },
  { that: "without a tailnet every grant is local", local: { kind: "any" }, is: "due" },
  {
    that: "a null end is no end without end",
    grant: grant({ spec: { validity: { validUntil: null } } }),
    is: "InvalidValidity",
    says: /validUntil is null/,
  },
  {
    that: "a null start is not at once",
    grant: grant({ spec: { validity: { validFrom: null } } }),
    is: "InvalidValidity",
    says: /validFrom is null/,
  },
  {
    that: "a null validity is not forever",
    grant: grant({ spec: { validity: null } }),
    is: "InvalidValidity",
    says: /validity is null/,
  },
  {
    that: "a revocation ends it",
    grant: grant({ status: active, spec: { revocation: { reason: "moved" } } }),
    is: "Revoked",
    says: /moved/,
  },
  {
    that: "an end in the past does not undo a revocation",
    grant: grant({ status: { phase: "Revoked" }, spec: { validity: { validUntil: at(-1) } } }),
    is: "Revoked",
  },
  {
    that: "a later end does not undo an expiry",
    grant: grant({ status: { phase: "Expired" }, spec: { validity: { validUntil: at(9) } } }),
    is: "Expired",
  },
  {
    that: "a revocation does not rename an expiry",
    grant: grant({ status: { phase: "Expired" }, spec: { revocation: {} } }),
    is: "Expired",
  },
  {
    that: "a deletion comes before all",
    grant: grant({ deleting: true, status: { phase: "Expired" } }),
    is: "leaving",
  },
];

for (const { that, is, says, wakeIn, ...given } of cases) {
  Deno.test(`standing: ${that}`, () => {
    const standing = standingOf({
      grant: given.grant ?? grant(),
      realm: "realm" in given ? given.realm : realm(),
      local: given.local ?? alice,
      now,
    });
    const shown = standing.is === "pending" ? standing.reason : standing.is === "ended" ? standing.phase : standing.is;
    assert.equal(shown, is);
    if (says) assert.match("message" in standing ? standing.message : "", says);
    assert.equal("wakeAt" in standing ? standing.wakeAt : undefined, wakeIn === undefined ? undefined : now + wakeIn);
  });
}
