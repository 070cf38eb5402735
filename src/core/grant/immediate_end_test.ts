/** Revocations that take effect at once, and the texts of ends. */
import assert from "node:assert/strict";
import { alice, grant, now, realm } from "../../../tests/fixtures/made_facts.ts";
import { defaultSettings, type GrantStatus } from "../../api/mod.ts";
import { conditionOf } from "../conditions.ts";
import { uninstalledStatus, unwatchedStatus } from "./uninstalled_status.ts";
import { causeOf, noticeMessage, reasonOf, revokedMessage } from "./end_text.ts";
import type { GrantEnforcement } from "./enforcement.ts";
import { type Lifecycle, lifecycleOf } from "./lifecycle.ts";
import { endRecord, type GrantPlan, type GrantWorld, planGrant } from "./plan_grant.ts";
import { wasActive } from "./termination.ts";

const at = (ms: number): string => new Date(now + ms).toISOString().replace(".000Z", "Z");
const revocation = { reason: "moving", immediate: true };

/** Status of a grant whose end was announced. */
const onNotice = (until: number, reason = "Revoked"): GrantStatus => ({
  phase: "Active",
  effectiveUntil: at(until),
  conditions: [{ type: "Draining", status: "True", reason, message: "", lastTransitionTime: at(0) }],
});

const lifecycle = (facts: Parameters<typeof grant>[0], skewMs = 0): Lifecycle =>
  lifecycleOf({ grant: grant(facts), realm: realm(), local: alice, settings: defaultSettings, skewMs, now });

Deno.test("end at once: an Active grant ends now, whatever notice it has or was announced", () => {
  const spec = { revocation, termination: { noticeSeconds: 300 } };
  for (const status of [{ phase: "Active" as const }, onNotice(200_000), onNotice(200_000, "Expiring")]) {
    const ended = lifecycle({ spec, status });
    assert.deepEqual([ended.is, "at" in ended && ended.at], ["ended", now]);
  }
  // Without it the announced end stays.
  assert.equal(lifecycle({ spec: { ...spec, revocation: {} }, status: onNotice(200_000) }).is, "active");
});

Deno.test("end at once: an end that is past already stays the end", () => {
  const ended = (facts: Parameters<typeof grant>[0]) => {
    const is = lifecycle(facts);
    return "at" in is ? is.at : undefined;
  };
  assert.equal(ended({ spec: { revocation }, status: onNotice(-5000) }), now - 5000);
  const validity = { validUntil: at(-9000) };
  assert.equal(ended({ spec: { revocation, validity }, status: { phase: "Active" } }), now - 9000);
  const deleted = { deletingSince: now - 8000, spec: { revocation, termination: { noticeSeconds: 1 } } };
  assert.equal(ended({ ...deleted, status: { phase: "Active" } }), now - 7000);
});

Deno.test("end at once: a deleted grant on notice ends now", () => {
  const ended = lifecycle({ deletingSince: now - 1000, spec: { revocation }, status: onNotice(299_000, "Deleted") });
  assert.deepEqual(ended, { is: "terminating", at: now });
});

Deno.test("end at once: clocks that disagree don't delay it, and the earlier one counts", () => {
  for (const [skewMs, end] of [[60_000, now], [-60_000, now - 60_000]] as const) {
    const ended = lifecycle({ spec: { revocation }, status: { phase: "Active" } }, skewMs);
    assert.deepEqual([ended.is, "at" in ended && ended.at], ["ended", end]);
  }
  assert.equal(lifecycle({ spec: { revocation: {} }, status: { phase: "Active" } }, 60_000).is, "active");
});

Deno.test("end at once: never in force: Revoked without a time", () => {
  const ended = lifecycle({ spec: { revocation }, status: {} });
  assert.deepEqual([ended.is, "at" in ended], ["ended", false]);
});

const applied = { status: "True" as const, reason: "Applied", message: "Stands." };
const enforcement = (facts: Partial<GrantEnforcement> = {}): GrantEnforcement => ({
  uid: "uid-alice-to-bob",
  generation: 1,
  enforced: true,
  draining: false,
  quota: applied,
  network: applied,
  access: applied,
  overcommitted: { status: "False", reason: "WithinGrants", message: "" },
  hard: { "requests.cpu": "2" },
  usage: {},
  destinations: [],
  except: [],
  reductions: [],
  ...facts,
});
const plan = (facts: Partial<GrantWorld> = {}): GrantPlan =>
  planGrant({
    grant: grant(),
    realm: realm(),
    local: alice,
    settings: defaultSettings,
    skewMs: 0,
    enforcement: enforcement(),
    now,
    ...facts,
  });

Deno.test("state: Ending from the notice until the pods are gone; the phase stays what programs know", () => {
  const shown = (facts: Partial<GrantWorld>) => {
    const { phase, state } = plan(facts).status!;
    return [phase, state];
  };
  assert.deepEqual(shown({}), ["Active", "Active"]);
  const revoked = { spec: { revocation: { reason: "moving" } } };
  assert.deepEqual(shown({ grant: grant({ ...revoked, status: { phase: "Active" } }) }), ["Active", "Ending"]);
  const over = grant({ ...revoked, status: onNotice(-1000) });
  const closed = enforcement({ enforced: false });
  assert.deepEqual(shown({ grant: over, enforcement: { ...closed, draining: true } }), ["Revoked", "Ending"]);
  assert.deepEqual(shown({ grant: over, enforcement: closed }), ["Revoked", "Revoked"]);
  const deleted = grant({ deletingSince: now - 400_000, status: { phase: "Active" } });
  assert.deepEqual(shown({ grant: deleted, enforcement: { ...closed, draining: true } }), ["Active", "Ending"]);
  assert.deepEqual(shown({ grant: grant({ spec: { validity: { validFrom: at(1000) } } }) }), ["Pending", "Pending"]);
});

Deno.test("reason: in the status, in the event for guests at the notice and at the end", () => {
  const revoked = { spec: { revocation: { reason: "the disk is full" } } };
  const notice = plan({ grant: grant({ ...revoked, status: { phase: "Active" } }) });
  const cause = 'it was revoked, with the reason "the disk is full"';
  assert.match(notice.status!.message!, new RegExp(`^Enforced in namespace guest-bob-home until \\S+Z: ${cause}\\.$`));
  assert.deepEqual(notice.guestEvents.map(({ reason }) => reason), ["Notice"]);
  assert.match(notice.guestEvents[0]!.note, new RegExp(`^Grant alice-to-bob: Ends at \\S+Z: ${cause}\\. Until then`));
  const over = plan({
    grant: grant({ ...revoked, status: onNotice(-1000) }),
    enforcement: enforcement({ enforced: false, draining: true }),
  });
  assert.deepEqual(over.guestEvents.map(({ reason }) => reason), ["Revoked", "Evicting"]);
  assert.equal(over.guestEvents[0]!.note, "Grant alice-to-bob: Revoked by the grantor: the disk is full.");
  assert.match(
    over.status!.message!,
    /: the disk is full\. Pods in guest-bob-home .* until 2026-06-01T12:01:59Z; those/,
  );
});

Deno.test("reason: added during the notice: a second event; nothing new: none", () => {
  const first = plan({ grant: grant({ spec: { revocation: {} }, status: { phase: "Active" } }) });
  const again = (reason?: string) =>
    plan({ grant: grant({ spec: { revocation: reason ? { reason } : {} }, status: first.status! }) }).guestEvents;
  assert.deepEqual(again(), []);
  assert.match(again("moving")[0]!.note, /with the reason "moving"/);
});

Deno.test("deletion: the message says when the object goes; without a reason it says that", () => {
  const deleted = grant({ deletingSince: now - 1000, status: { phase: "Active" } });
  const { message } = conditionOf(plan({ grant: deleted }).status, "Draining")!;
  assert.match(message, /^Ends at 2026-06-01T12:04:59Z: it was deleted, without a reason\. /);
  assert.match(message, / The Grant is removed when its pods are gone, which takes up to 120 s more\.$/);
});

Deno.test("pods wait for a budget: the message names both, and guests get an event", () => {
  const over = { spec: { revocation: {} }, status: onNotice(-1000) };
  const held = (message?: string) =>
    enforcement({
      enforced: false,
      draining: true,
      ...(message ? { obstacle: { reason: "HeldByBudgets" as const, message } } : {}),
    });
  const before = plan({ grant: grant(over), enforcement: held() }).status!;
  const { status, guestEvents } = plan({ grant: grant({ ...over, status: before }), enforcement: held("Budget db.") });
  assert.match(conditionOf(status, "Draining")!.message, /; those left then are deleted\. Budget db\.$/);
  assert.deepEqual(guestEvents.map(({ reason }) => reason), ["Evicting"]);
  // After a restart it isn't known before the next try, so the message stays.
  const restarted = plan({ grant: grant({ ...over, status: status! }), enforcement: { ...held(), looking: true } });
  assert.equal(restarted.status, undefined);
});

Deno.test("end at once, but it can't be executed: the end is dated once, so that the drain has one too", () => {
  const failure = { reason: "WriteRefused" as const, message: "No." };
  const stuck = enforcement({ failure });
  const world = { grant: grant({ spec: { revocation }, status: { phase: "Active" } }), enforcement: stuck };
  const { status } = plan(world);
  assert.deepEqual([status!.phase, status!.state, status!.effectiveUntil], ["Active", "Ending", at(0)]);
  const later = { ...world, grant: grant({ spec: { revocation }, status: status! }), now: now + 60_000 };
  assert.equal(plan(later).status!.effectiveUntil, at(0));
  const ended = lifecycleOf({ ...later, realm: realm(), local: alice, settings: defaultSettings, skewMs: 0 });
  assert.deepEqual("at" in ended && ended.at, now);
});

Deno.test("end at once, and its status can't be written: the remembered one dates the end", () => {
  const before = grant({ spec: { revocation }, status: { phase: "Active", state: "Active" } });
  const kept = endRecord(before, { phase: "Revoked", effectiveUntil: at(1000) })!;
  assert.deepEqual([kept.phase, kept.effectiveUntil], ["Active", at(1000)]);
  const ended = lifecycleOf({
    grant: { ...before, status: kept },
    realm: realm(),
    local: alice,
    settings: defaultSettings,
    skewMs: 0,
    now: now + 90_000,
  });
  assert.equal("at" in ended && ended.at, now + 1000);
  assert.equal(
    endRecord(grant({ status: { phase: "Active" } }), { phase: "Expired", effectiveUntil: at(1) }),
    undefined,
  );
});

Deno.test("texts of ends: the reason in one line, or that there is none", () => {
  assert.equal(reasonOf({ revocation: { reason: " two\n lines " } }), "two lines");
  assert.equal(reasonOf({ revocation: { reason: " " } }), undefined);
  assert.equal(causeOf({ why: "Deleted", because: "moving" }), 'it was deleted, with the reason "moving"');
  assert.equal(causeOf({ why: "Expired", because: "moving" }), "its validity ends then");
  assert.equal(revokedMessage({ revocation: {} }), "Revoked by the grantor, without a reason.");
  assert.equal(revokedMessage({ revocation }), "Revoked by the grantor, with immediate effect: moving.");
  assert.match(noticeMessage({ why: "Revoked" }), /^Ends once the clocks agree: it was revoked, without a reason\. /);
});

Deno.test("trust lowered: the end is shown before its notice begins", () => {
  const long = grant({ spec: { validity: { validUntil: at(90 * 86_400_000) } }, status: { phase: "Active" } });
  const lowered = realm({ spec: { trustLevel: "public" } });
  const { status } = plan({ grant: long, realm: lowered });
  assert.equal(status!.effectiveUntil, at(30 * 86_400_000 - 60_000));
  assert.equal(status!.state, "Active");
});

Deno.test("uninstalled: a grant in force is Pending with the reason, and continues afterwards", () => {
  const { status } = plan({ grant: grant({ spec: { revocation: {} }, status: { phase: "Active" } }) });
  const { spec } = grant();
  const after = uninstalledStatus({ generation: 1, spec, status: status! }, now)!;
  assert.deepEqual([after.phase, after.state, conditionOf(after, "Ready")!.reason], [
    "Pending",
    "Pending",
    "Uninstalled",
  ]);
  assert.match(after.message!, /^Keystone was uninstalled at 2026-06-01T12:00:00Z: guests have no access/);
  assert.deepEqual([after.effectiveUntil, after.hard], [status!.effectiveUntil, status!.hard]);
  assert.ok(wasActive({ status: after }), "its notice and its reductions go on");
  const waiting = uninstalledStatus({ generation: 1, spec, status: { phase: "Pending" } }, now)!;
  assert.ok(!wasActive({ status: waiting }));
  assert.equal(uninstalledStatus({ generation: 1, spec, status: { phase: "Expired" } }, now), undefined);
  const draining = { ...onNotice(0, "Evicting"), phase: "Expired" as const, state: "Ending" as const };
  assert.equal(uninstalledStatus({ generation: 1, spec, status: draining }, now)!.state, "Expired");
  const unwatched = unwatchedStatus<GrantStatus>({}, 1, now);
  assert.equal(conditionOf(unwatched, "Ready")!.reason, "Uninstalled");
});
