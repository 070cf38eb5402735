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
    that: "trust level lowered below the validity: a notice from when it is first seen",
    grant: grant({ status: active, createdAt: now - 40 * day }),
    realm: distrusted,
    is: "active",
    notice: ["TrustLowered", 60_000],
    wakeIn: 60_000,
  },
  {
    that: "trust level lowered, end recorded: the recorded end stays",
    grant: grant({ status: draining("TrustLowered", 20_000), createdAt: now - 40 * day }),
    realm: distrusted,
    is: "active",
    notice: ["TrustLowered", 20_000],
    wakeIn: 20_000,
  },
  {
    that: "trust level raised again: the notice is lifted",
    grant: grant({ status: draining("TrustLowered", 20_000), createdAt: now - 40 * day }),
    is: "active",
  },
  {
    that: "trust level lowered, its limit is not reached yet: the rest of the permitted validity is given",
    grant: grant({ status: active, createdAt: now - 29 * day, spec: { validity: { validUntil: at(90 * day) } } }),
    realm: distrusted,
    is: "active",
    wakeIn: day - 60_000,
  },
  {
    that: "that notice over: Expired, with the reason",
    grant: grant({ status: draining("TrustLowered", 0), createdAt: now - 40 * day }),
    realm: distrusted,
    is: "Expired",
    says: /exceeds the limit of its grantee's trust level/,
  },
  {
    that: "the grantee is gone: no end because of its trust level",
    grant: grant({ status: active, createdAt: now - 40 * day }),
    realm: undefined,
    is: "active",
  },
  {
    that: "revoked during the notice of its expiry: ends at that time, as Revoked",
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
    that: "that end recorded, validity extended afterwards: the end stays",
    grant: grant({
      status: draining("Revoked", 10_000),
      spec: { validity: { validUntil: at(day) }, revocation: {} },
    }),
    is: "active",
    notice: ["Revoked", 10_000],
    wakeIn: 10_000,
  },
  {
    that: "a revocation first seen while the clocks disagree: no time yet",
    grant: grant({ status: active, spec: { revocation: {} } }),
    skewMs: -3_600_000,
    is: "active",
    notice: ["Revoked", Infinity],
  },
  { that: "a grant to a known realm: active", is: "active" },
  {
    that: "before its end: wakes at the start of the notice, five minutes before",
    grant: grant({ createdAt: now, spec: { validity: { validUntil: at(3_600_000) } } }),
    is: "active",
    wakeIn: 3_300_000,
  },
  {
    that: "on notice: wakes at its end",
    grant: grant({ createdAt: now - 3_600_000, spec: { validity: { validUntil: at(5000) } } }),
    is: "active",
    wakeIn: 5000,
    notice: ["Expired", 5000],
  },
  {
    that: "a short grant: on notice only for the last half of its validity",
    grant: grant({ spec: { validity: { validFrom: at(-10_000), validUntil: at(10_001) } } }),
    is: "active",
    wakeIn: 0.5,
  },
  {
    that: "noticeSeconds 0: no notice",
    grant: grant({ spec: { validity: { validUntil: at(1) }, termination: { noticeSeconds: 0 } } }),
    is: "active",
    wakeIn: 1,
  },
  {
    that: "a renewal: the notice is lifted",
    grant: grant({ status: active, createdAt: now, spec: { validity: { validUntil: at(7_200_000) } } }),
    is: "active",
    wakeIn: 6_900_000,
  },
  {
    that: "at its end: Expired",
    grant: grant({ spec: { validity: { validUntil: at(0) } } }),
    is: "Expired",
    says: /Ended at 2026/,
  },
  {
    that: "in the last millisecond: active",
    grant: grant({ spec: { validity: { validUntil: at(1) } } }),
    is: "active",
    wakeIn: 1,
    notice: ["Expired", 1],
  },
  { that: "at its start: active", grant: grant({ spec: { validity: { validFrom: at(0) } } }), is: "active" },
  {
    that: "before its start: waits",
    grant: grant({ spec: { validity: { validFrom: at(1), validUntil: at(9) } } }),
    is: "NotYetValid",
    says: /Starts at 2026/,
    wakeIn: 1,
  },
  {
    that: "at its start by a clock that is ahead of the API server's: waits for the other",
    grant: grant({ spec: { validity: { validFrom: at(-1) } } }),
    skewMs: -60_000,
    is: "ClockSkew",
    says: /Starts at 2026.*60 s behind the operator's; synchronize/,
    wakeIn: 59_999,
  },
  {
    that: "at its start by a clock that is behind the API server's: active",
    grant: grant({ spec: { validity: { validFrom: at(-1) } } }),
    skewMs: 60_000,
    is: "active",
  },
  {
    that: "start moved into the future while active: stays active",
    grant: grant({ status: active, spec: { validity: { validFrom: at(1) } } }),
    is: "active",
  },
  {
    that: "clock set back before the start: stays active",
    grant: grant({ status: active, spec: { validity: { validFrom: at(1) } } }),
    is: "active",
    skewMs: 3000,
  },
  { that: "unknown grantee: waits", realm: undefined, is: "GranteeUnknown", says: /no Realm bob-home/ },
  {
    that: "unknown grantee, validity over: Expired",
    realm: undefined,
    grant: grant({ spec: { validity: { validUntil: at(0) } } }),
    is: "Expired",
  },
  { that: "the realm is being deleted: counts as unknown", realm: realm({ deleting: true }), is: "GranteeUnknown" },
  {
    that: "the realm is missing: an active grant stays active",
    realm: undefined,
    grant: grant({ status: active }),
    is: "active",
  },
  {
    that: "another grantor: GrantorNotLocal",
    local: { kind: "known", name: "carol" },
    is: "GrantorNotLocal",
    says: /alice-home.*carol/,
  },
  {
    that: "the local realm changed: an active grant stays active",
    local: { kind: "known", name: "carol" },
    grant: grant({ status: active }),
    is: "active",
  },
  {
    that: "the local realm is unknown: nothing is activated",
    local: { kind: "unknown", message: "no answer" },
    is: "LocalRealmUnknown",
    says: /no answer/,
  },
  {
    that: "the local realm is unknown: an active grant stays active",
    local: { kind: "unknown", message: "" },
    grant: grant({ status: active }),
    is: "active",
  },
  { that: "no tailnet: every grant is local", local: { kind: "any" }, is: "active" },
  {
    that: "validUntil is null: invalid, not endless",
    grant: grant({ spec: { validity: { validUntil: null } } }),
    is: "InvalidValidity",
    says: /validUntil is null/,
  },
  {
    that: "validFrom is null: invalid, not immediate",
    grant: grant({ spec: { validity: { validFrom: null } } }),
    is: "InvalidValidity",
    says: /validFrom is null/,
  },
  {
    that: "validity is null: invalid, not endless",
    grant: grant({ spec: { validity: null } }),
    is: "InvalidValidity",
    says: /validity is null/,
  },
  {
    that: "validUntil becomes unreadable while active: the recorded end stays",
    grant: grant({ status: { ...active, effectiveUntil: at(9000) }, spec: { validity: { validUntil: null } } }),
    is: "active",
    wakeIn: 9000,
    notice: ["Expired", 9000],
  },
  {
    that: "the realm is deleted during a notice: the notice stays",
    realm: undefined,
    grant: grant({ deletingSince: now - 60_000, status: active }),
    is: "active",
    wakeIn: 240_000,
    notice: ["Deleted", 240_000],
  },
  {
    that: "revoked: five minutes' notice",
    grant: grant({ status: active, spec: { revocation: { reason: "moved" } } }),
    is: "active",
    wakeIn: 300_000,
    notice: ["Revoked", 300_000],
  },
  {
    that: "revoked, end recorded: that end stays",
    grant: grant({
      status: { ...active, effectiveUntil: at(7000), conditions: [condition("Draining", "Revoked")] },
      spec: { revocation: {} },
    }),
    is: "active",
    wakeIn: 7000,
    notice: ["Revoked", 7000],
  },
  {
    that: "revoked, another end recorded before: not taken for that of the revocation",
    grant: grant({
      status: { ...active, effectiveUntil: at(9_000_000), conditions: [condition("Draining", "NotDraining")] },
      spec: { revocation: {}, validity: { validUntil: at(9_000_000) } },
    }),
    is: "active",
    wakeIn: 300_000,
    notice: ["Revoked", 300_000],
  },
  {
    that: "revoked shortly before its end: the end stays",
    grant: grant({ status: active, spec: { revocation: {}, validity: { validUntil: at(9000) } } }),
    is: "active",
    wakeIn: 9000,
    notice: ["Revoked", 9000],
  },
  {
    that: "revoked with noticeSeconds 0: ends at once",
    grant: grant({ status: active, spec: { revocation: { reason: "moved" }, termination: { noticeSeconds: 0 } } }),
    is: "Revoked",
    says: /moved/,
  },
  {
    that: "revoked before it was in force: ends at once",
    grant: grant({ spec: { revocation: { reason: "moved" } } }),
    is: "Revoked",
    says: /moved/,
  },
  {
    that: "deleted: five minutes' notice from the deletion",
    grant: grant({ deletingSince: now - 60_000, status: active }),
    is: "active",
    wakeIn: 240_000,
    notice: ["Deleted", 240_000],
  },
  {
    that: "deleted, notice over: terminating",
    grant: grant({ deletingSince: now - 300_000, status: active }),
    is: "terminating",
  },
  {
    that: "deleted and shown as ended: stays terminating, even without the record of its revocation",
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
    that: `deleted and shown as ended, then the clock is set ${skewMs > 0 ? "back" : "ahead"}: stays terminating`,
    skewMs,
    grant: grant({
      deletingSince: now - skewMs - 300_000,
      status: { ...active, effectiveUntil: at(-skewMs - 1), conditions: [condition("Ready", "Deleted")] },
    }),
    is: "terminating",
  })),
  {
    that: "deleted before it was in force: terminating at once",
    grant: grant({ deletingSince: now }),
    is: "terminating",
  },
  {
    that: "public realm: at most one minute's notice",
    realm: realm({ spec: { trustLevel: "public" } }),
    grant: grant({ status: active, spec: { revocation: {} } }),
    is: "active",
    wakeIn: 60_000,
    notice: ["Revoked", 60_000],
  },
  {
    that: "the clocks disagree, its end is past: stays active",
    skewMs: -3_600_000,
    grant: grant({ status: active, spec: { validity: { validUntil: at(-1) } } }),
    is: "active",
    notice: ["Expired", -1],
  },
  {
    that: "the clocks disagree, its end is past, never in force: not Expired",
    skewMs: 3_600_000,
    grant: grant({ spec: { validity: { validUntil: at(-1) } } }),
    is: "ClockSkew",
    says: /3600 s ahead of the operator's, so no grant is ended permanently; synchronize both clocks with NTP/,
  },
  {
    that: "partner realm, load balancers: exceeds the trust level",
    grant: grant({ spec: { hard: { "services.loadbalancers": "1" } } }),
    is: "ExceedsTrustCeiling",
    says: /spec\.hard\[services\.loadbalancers\] is 1; trust level partner allows 0/,
  },
  {
    that: "public realm, no end: exceeds the trust level",
    realm: realm({ spec: { trustLevel: "public" } }),
    is: "ExceedsTrustCeiling",
    says: /spec\.validity\.validUntil is not set; trust level public allows at most 30 days after the start/,
  },
  {
    that: "public realm, other destinations: exceeds the trust level",
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
    that: "public realm, long notice: exceeds the trust level",
    realm: realm({ spec: { trustLevel: "public" } }),
    grant: grant({ spec: { validity: { validUntil: at(86_400_000) }, termination: { noticeSeconds: 61 } } }),
    is: "ExceedsTrustCeiling",
    says: /noticeSeconds is 61; trust level public allows at most 60/,
    wakeIn: 86_400_000,
  },
  {
    that: "trust level lowered, load balancers in force: stays active",
    realm: realm({ spec: { trustLevel: "public" } }),
    grant: grant({
      status: active,
      spec: { hard: { "services.loadbalancers": "1" }, validity: { validUntil: at(day) } },
    }),
    is: "active",
    wakeIn: day - 60_000,
  },
  {
    that: "Revoked, its end is past: stays Revoked",
    grant: grant({ status: { phase: "Revoked" }, spec: { validity: { validUntil: at(-1) } } }),
    is: "Revoked",
  },
  {
    that: "Expired, a later end is set: stays Expired",
    grant: grant({ status: { phase: "Expired" }, spec: { validity: { validUntil: at(9) } } }),
    is: "Expired",
  },
  {
    that: "Expired, then revoked: stays Expired",
    grant: grant({ status: { phase: "Expired" }, spec: { revocation: {} } }),
    is: "Expired",
  },
  {
    that: "Expired, then deleted: terminating",
    grant: grant({ deletingSince: now, status: { phase: "Expired" } }),
    is: "terminating",
  },
];

for (const { that, is, says, wakeIn, notice, ...given } of cases) {
  Deno.test(`lifecycle: ${that}`, () => {
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
