import assert from "node:assert/strict";
import { alice, grant, now, realm } from "../../../tests/fixtures/made_facts.ts";
import type { GrantFacts, LocalRealm, RealmFacts } from "../facts.ts";
import { defaultSettings } from "../../api/mod.ts";
import { lifecycleOf } from "./lifecycle.ts";

const at = (ms: number): string => new Date(now + ms).toISOString();

interface Case {
  that: string;
  grant?: GrantFacts;
  realm?: RealmFacts | undefined;
  local?: LocalRealm;
  is: string;
  says?: RegExp;
  wakeIn?: number;
  skewMs?: number;
  /** The notice, with the milliseconds from now to the end. */
  notice?: [string, number];
}

const active = { phase: "Active" as const };
const condition = (type: string, reason: string) => ({
  type,
  reason,
  status: "True" as const,
  message: "",
  lastTransitionTime: "",
});
const day = 86_400_000;
const draining = (reason: string, endsIn: number) => ({
  ...active,
  effectiveUntil: at(endsIn),
  conditions: [condition("Draining", reason)],
});
const distrusted = realm({ spec: { trustLevel: "public" } });
const cases: Case[] = [
  {
    that: "a trust lowered below what the validity needs gives a notice, from when it is first seen",
    grant: grant({ status: active, createdAt: now - 40 * day }),
    realm: distrusted,
    is: "active",
    notice: ["TrustLowered", 60_000],
    wakeIn: 60_000,
  },
  {
    that: "that end was written down and stays",
    grant: grant({ status: draining("TrustLowered", 20_000), createdAt: now - 40 * day }),
    realm: distrusted,
    is: "active",
    notice: ["TrustLowered", 20_000],
    wakeIn: 20_000,
  },
  {
    that: "a trust that was raised again lifts it",
    grant: grant({ status: draining("TrustLowered", 20_000), createdAt: now - 40 * day }),
    is: "active",
  },
  {
    that: "what is left of the validity that the lower trust allows is given",
    grant: grant({ status: active, createdAt: now - 29 * day, spec: { validity: { validUntil: at(90 * day) } } }),
    realm: distrusted,
    is: "active",
    wakeIn: day - 60_000,
  },
  {
    that: "when it is over it is Expired, and why is said",
    grant: grant({ status: draining("TrustLowered", 0), createdAt: now - 40 * day }),
    realm: distrusted,
    is: "Expired",
    says: /exceeds the limit of its grantee's trust level/,
  },
  {
    that: "a grantee that is gone ends nothing by its trust",
    grant: grant({ status: active, createdAt: now - 40 * day }),
    realm: undefined,
    is: "active",
  },
  {
    that: "one that is revoked on notice of its expiry ends then, as revoked",
    grant: grant({
      status: draining("Expiring", 10_000),
      createdAt: now - day,
      spec: { validity: { validUntil: at(10_000) }, revocation: {} },
    }),
    is: "active",
    notice: ["Revoked", 10_000],
    wakeIn: 10_000,
  },
  {
    that: "that end stays, however far its validity is moved afterwards",
    grant: grant({
      status: draining("Revoked", 10_000),
      spec: { validity: { validUntil: at(day) }, revocation: {} },
    }),
    is: "active",
    notice: ["Revoked", 10_000],
    wakeIn: 10_000,
  },
  {
    that: "a revocation that is first seen while the clocks disagree has no instant yet",
    grant: grant({ status: active, spec: { revocation: {} } }),
    skewMs: -3_600_000,
    is: "active",
    notice: ["Revoked", Infinity],
  },
  { that: "a grant to a known realm is due", is: "active" },
  {
    that: "it wakes at the start of its notice, five minutes before its end",
    grant: grant({ createdAt: now, spec: { validity: { validUntil: at(3_600_000) } } }),
    is: "active",
    wakeIn: 3_300_000,
  },
  {
    that: "on notice it wakes at its end",
    grant: grant({ createdAt: now - 3_600_000, spec: { validity: { validUntil: at(5000) } } }),
    is: "active",
    wakeIn: 5000,
    notice: ["Expired", 5000],
  },
  {
    that: "a short grant is on notice for the last half of its validity only",
    grant: grant({ spec: { validity: { validFrom: at(-10_000), validUntil: at(10_001) } } }),
    is: "active",
    wakeIn: 0.5,
  },
  {
    that: "a notice of 0 means none",
    grant: grant({ spec: { validity: { validUntil: at(1) }, termination: { noticeSeconds: 0 } } }),
    is: "active",
    wakeIn: 1,
  },
  {
    that: "a renewal lifts the notice",
    grant: grant({ status: active, createdAt: now, spec: { validity: { validUntil: at(7_200_000) } } }),
    is: "active",
    wakeIn: 6_900_000,
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
    is: "active",
    wakeIn: 1,
    notice: ["Expired", 1],
  },
  { that: "the start is included", grant: grant({ spec: { validity: { validFrom: at(0) } } }), is: "active" },
  {
    that: "before its start it waits",
    grant: grant({ spec: { validity: { validFrom: at(1), validUntil: at(9) } } }),
    is: "NotYetValid",
    says: /Starts at 2026/,
    wakeIn: 1,
  },
  {
    that: "a start moved into the future takes nothing back that has begun: there is a ladder for that",
    grant: grant({ status: active, spec: { validity: { validFrom: at(1) } } }),
    is: "active",
  },
  {
    that: "a clock that was set back takes nothing back that has begun",
    grant: grant({ status: active, spec: { validity: { validFrom: at(1) } } }),
    is: "active",
    skewMs: 3000,
  },
  { that: "an unknown grantee is waited for", realm: undefined, is: "GranteeUnknown", says: /no Realm bob-home/ },
  {
    that: "an unknown grantee does not keep it from expiring",
    realm: undefined,
    grant: grant({ spec: { validity: { validUntil: at(0) } } }),
    is: "Expired",
  },
  { that: "a realm that is being deleted counts as unknown", realm: realm({ deleting: true }), is: "GranteeUnknown" },
  {
    that: "a lost realm does not end what is active",
    realm: undefined,
    grant: grant({ status: active }),
    is: "active",
  },
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
    is: "active",
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
    is: "active",
  },
  { that: "without a tailnet every grant is local", local: { kind: "any" }, is: "active" },
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
    that: "an end that was made unreadable stays the end of what is in force",
    grant: grant({ status: { ...active, effectiveUntil: at(9000) }, spec: { validity: { validUntil: null } } }),
    is: "active",
    wakeIn: 9000,
    notice: ["Expired", 9000],
  },
  {
    that: "a realm that goes takes nothing from the notice that was given",
    realm: undefined,
    grant: grant({ deletingSince: now - 60_000, status: active }),
    is: "active",
    wakeIn: 240_000,
    notice: ["Deleted", 240_000],
  },
  {
    that: "a revocation is five minutes' notice",
    grant: grant({ status: active, spec: { revocation: { reason: "moved" } } }),
    is: "active",
    wakeIn: 300_000,
    notice: ["Revoked", 300_000],
  },
  {
    that: "the end of a revocation is the one that was written down",
    grant: grant({
      status: { ...active, effectiveUntil: at(7000), conditions: [condition("Draining", "Revoked")] },
      spec: { revocation: {} },
    }),
    is: "active",
    wakeIn: 7000,
    notice: ["Revoked", 7000],
  },
  {
    that: "an end that was in sight before is not that of a revocation",
    grant: grant({
      status: { ...active, effectiveUntil: at(9_000_000), conditions: [condition("Draining", "NotDraining")] },
      spec: { revocation: {}, validity: { validUntil: at(9_000_000) } },
    }),
    is: "active",
    wakeIn: 300_000,
    notice: ["Revoked", 300_000],
  },
  {
    that: "a revocation doesn't put off an earlier end",
    grant: grant({ status: active, spec: { revocation: {}, validity: { validUntil: at(9000) } } }),
    is: "active",
    wakeIn: 9000,
    notice: ["Revoked", 9000],
  },
  {
    that: "a revocation without notice ends it at once",
    grant: grant({ status: active, spec: { revocation: { reason: "moved" }, termination: { noticeSeconds: 0 } } }),
    is: "Revoked",
    says: /moved/,
  },
  {
    that: "what never was in force is revoked without notice",
    grant: grant({ spec: { revocation: { reason: "moved" } } }),
    is: "Revoked",
    says: /moved/,
  },
  {
    that: "a deletion is five minutes' notice from when it was asked for",
    grant: grant({ deletingSince: now - 60_000, status: active }),
    is: "active",
    wakeIn: 240_000,
    notice: ["Deleted", 240_000],
  },
  {
    that: "its notice over, a deleted grant leaves",
    grant: grant({ deletingSince: now - 300_000, status: active }),
    is: "terminating",
  },
  {
    that: "what is shown as leaving doesn't come back, also when its revocation is no longer on record",
    grant: grant({
      deletingSince: now - 1000,
      spec: { revocation: {} },
      status: {
        ...active,
        effectiveUntil: at(-1),
        conditions: [condition("Draining", "Evicting"), condition("Ready", "Deleted")],
      },
    }),
    is: "terminating",
  },
  ...[3_600_000, -3_600_000].map((skewMs) => ({
    that: `nor by a clock that is set ${skewMs > 0 ? "back" : "ahead"}`,
    skewMs,
    grant: grant({
      deletingSince: now - skewMs - 300_000,
      status: { ...active, effectiveUntil: at(-skewMs - 1), conditions: [condition("Ready", "Deleted")] },
    }),
    is: "terminating",
  })),
  { that: "what never was in force leaves at once", grant: grant({ deletingSince: now }), is: "terminating" },
  {
    that: "public realms get a minute's notice at most",
    realm: realm({ spec: { trustLevel: "public" } }),
    grant: grant({ status: active, spec: { revocation: {} } }),
    is: "active",
    wakeIn: 60_000,
    notice: ["Revoked", 60_000],
  },
  {
    that: "while the clocks disagree nothing ends for good",
    skewMs: -3_600_000,
    grant: grant({ status: active, spec: { validity: { validUntil: at(-1) } } }),
    is: "active",
    notice: ["Expired", -1],
  },
  {
    that: "nor is what never was in force called expired",
    skewMs: 3_600_000,
    grant: grant({ spec: { validity: { validUntil: at(-1) } } }),
    is: "ClockSkew",
    says: /3600 s ahead of the operator's, so no grant is ended permanently; synchronize both clocks with NTP/,
  },
  {
    that: "load balancers are beyond a partner's ceiling",
    grant: grant({ spec: { hard: { "services.loadbalancers": "1" } } }),
    is: "ExceedsTrustCeiling",
    says: /spec\.hard\[services\.loadbalancers\] is 1; trust level partner allows 0/,
  },
  {
    that: "an end is below a public realm's",
    realm: realm({ spec: { trustLevel: "public" } }),
    is: "ExceedsTrustCeiling",
    says: /spec\.validity\.validUntil is not set; trust level public allows at most 30 days after the start/,
  },
  {
    that: "other destinations than the realm are beyond a public realm's",
    realm: realm({ spec: { trustLevel: "public" } }),
    grant: grant({
      spec: {
        validity: { validUntil: at(86_400_000) },
        networkPolicy: { egressAllowed: true, allowedDestinations: ["bob-home:22", "203.0.113.0/24"] },
      },
    }),
    is: "ExceedsTrustCeiling",
    says: /allowedDestinations\[1\] is 203\.0\.113\.0\/24; trust level public allows only bob-home/,
    wakeIn: 86_400_000,
  },
  {
    that: "a long notice is beyond a public realm's",
    realm: realm({ spec: { trustLevel: "public" } }),
    grant: grant({ spec: { validity: { validUntil: at(86_400_000) }, termination: { noticeSeconds: 61 } } }),
    is: "ExceedsTrustCeiling",
    says: /noticeSeconds is 61; trust level public allows at most 60/,
    wakeIn: 86_400_000,
  },
  {
    that: "a ceiling that was lowered ends nothing at once that is in force",
    realm: realm({ spec: { trustLevel: "public" } }),
    grant: grant({
      status: active,
      spec: { hard: { "services.loadbalancers": "1" }, validity: { validUntil: at(day) } },
    }),
    is: "active",
    wakeIn: day - 60_000,
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
    grant: grant({ deletingSince: now, status: { phase: "Expired" } }),
    is: "terminating",
  },
];

for (const { that, is, says, wakeIn, notice, ...given } of cases) {
  Deno.test(`standing: ${that}`, () => {
    const lifecycle = lifecycleOf({
      grant: given.grant ?? grant(),
      realm: "realm" in given ? given.realm : realm(),
      local: given.local ?? alice,
      settings: defaultSettings,
      skewMs: given.skewMs ?? 0,
      now,
    });
    const shown = lifecycle.is === "pending"
      ? lifecycle.reason
      : lifecycle.is === "ended"
      ? lifecycle.phase
      : lifecycle.is;
    assert.equal(shown, is);
    const seen = lifecycle.is === "active" ? lifecycle.notice : undefined;
    assert.deepEqual(seen && [seen.why, (seen.endsAt ?? Infinity) - now], notice);
    if (says) assert.match("message" in lifecycle ? lifecycle.message : "", says);
    assert.equal("wakeAt" in lifecycle ? lifecycle.wakeAt : undefined, wakeIn === undefined ? undefined : now + wakeIn);
  });
}
