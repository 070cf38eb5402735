import assert from "node:assert/strict";
import { alice, grant, now, realm } from "../../../tests/fixtures/made_facts.ts";
import { defaultSettings } from "../../api/mod.ts";
import { conditionOf } from "../conditions.ts";
import { listFrom } from "../resources/quota_lists.ts";
import type { GrantEnforcement } from "./enforcement.ts";
import { type GrantPlan, type GrantWorld, isBeingWritten, planGrant } from "./plan_grant.ts";
import { reductionsOf } from "./reduction.ts";

const applied = { status: "True" as const, reason: "Applied", message: "Stands." };
const lacking = (reason: string) => ({ status: "False" as const, reason, message: `${reason}.` });
const enforcement = (facts: Partial<GrantEnforcement> = {}): GrantEnforcement => ({
  uid: "uid-alice-to-bob",
  generation: 1,
  enforced: true,
  draining: false,
  quota: applied,
  network: applied,
  access: applied,
  overcommitted: lacking("WithinGrants"),
  hard: { "requests.cpu": "2" },
  usage: { "requests.cpu": "500m" },
  destinations: [],
  except: [],
  reductions: [],
  ...facts,
});
const plan = (facts: Partial<GrantWorld> = {}): GrantPlan => {
  const world = {
    grant: grant(),
    realm: realm(),
    local: alice,
    settings: defaultSettings,
    skewMs: 0,
    enforcement: enforcement(),
    now,
    ...facts,
  };
  const planned = planGrant(world);
  assert.ok((planned.wakeAt ?? Infinity) > world.now, "an instant that is past would be asked for again and again");
  return planned;
};
const ready = ({ status }: GrantPlan) => status?.conditions?.find(({ type }) => type === "Ready");
const at = (ms: number): string => new Date(now + ms).toISOString();
const nothing = { events: [], guestEvents: [], stages: [] };
const ended = { validity: { validUntil: at(-1) } };

Deno.test("grant: enforced: shown as Active with its share of the usage", () => {
  const { status, events, finalizer } = plan();
  assert.equal(status!.phase, "Active");
  assert.equal(status!.guestNamespace, "guest-bob-home");
  assert.deepEqual(status!.hard, { "requests.cpu": "2" });
  assert.deepEqual(status!.actualUsage, { "requests.cpu": "500m" });
  assert.deepEqual(status!.conditions!.map(({ type, status }) => [type, status]), [
    ["AccessApplied", "True"],
    ["Draining", "False"],
    ["GranteeKnown", "True"],
    ["NetworkApplied", "True"],
    ["Overcommitted", "False"],
    ["QuotaApplied", "True"],
    ["Ready", "True"],
  ]);
  assert.deepEqual(events.map(({ type, reason }) => [type, reason]), [["Normal", "Enforced"]]);
  assert.equal(finalizer, undefined);
  const again = plan({ grant: grant({ status: status! }), now: now + 5000 });
  assert.deepEqual(again.status, status, "nothing new, nothing written");
  assert.deepEqual(again.events, []);
});

Deno.test("grant: the finalizer is added before anything is enforced", () => {
  const { name, uid } = grant();
  assert.deepEqual(plan({ grant: grant({ finalized: false }), enforcement: undefined }), {
    ...nothing,
    finalizer: "add",
    stages: [{ kind: "open", effects: [{ finalizer: "add", of: { kind: "Grant", name, uid } }] }],
  });
});

Deno.test("grant: pending: no finalizer", () => {
  const pending = plan({ grant: grant({ finalized: false }), realm: undefined, enforcement: undefined });
  assert.equal(pending.finalizer, undefined);
  assert.equal(pending.status!.phase, "Pending");
  assert.equal(ready(pending)!.reason, "GranteeUnknown");
  assert.deepEqual(pending.events.map(({ type, reason }) => [type, reason]), [["Warning", "GranteeUnknown"]]);
});

Deno.test("grant: names no amounts: no hard in its status, because an apply could not empty it", () => {
  const { status } = plan({ grant: grant({ spec: { hard: {} } }), realm: undefined, enforcement: undefined });
  assert.equal(status!.phase, "Pending");
  assert.ok(!("hard" in status!));
});

Deno.test("grant: Active only once the quota and the network policies are in force", () => {
  for (const lack of [{ quota: lacking("QuotaPending") }, { network: lacking("Applying") }]) {
    const late = plan({ enforcement: enforcement(lack) });
    assert.equal(late.status!.phase, "Pending");
    assert.deepEqual(late.events, [], "no event while writing is in progress");
    assert.equal(
      plan({ enforcement: enforcement(lack), grant: grant({ status: { phase: "Active" } }) }).status!.phase,
      "Active",
    );
  }
  assert.equal(
    plan({ enforcement: enforcement({ network: lacking("DestinationUnresolved") }) }).status!.phase,
    "Active",
  );
});

Deno.test("grant: new: a moment passes before its status shows that it waits", () => {
  const writing = enforcement({ quota: lacking("QuotaPending"), writingSince: now - 500 });
  const waiting = plan({ enforcement: writing });
  assert.deepEqual([waiting.status, waiting.wakeAt], [undefined, now + 1500]);
  assert.equal(plan({ enforcement: writing, now: now + 1500 }).status!.phase, "Pending");
  assert.equal(
    plan({ enforcement: { ...writing, writingSince: now + 1 } }).status!.phase,
    "Pending",
    "the clock was set back",
  );
});

Deno.test("grant: in force: changed terms are shown at once, writes in progress are not", () => {
  const { status } = plan();
  const writing = enforcement({ quota: lacking("QuotaPending"), writingSince: now - 500 });
  assert.equal(plan({ grant: grant({ status: status! }), enforcement: writing }).status, undefined);
  assert.equal(
    ready(plan({ grant: grant({ status: status! }), enforcement: writing, now: now + 1500 }))!.status,
    "False",
  );
  const cut = enforcement({ ...writing, hard: { "requests.cpu": "1" } });
  assert.equal(ready(plan({ grant: grant({ status: status! }), enforcement: cut }))!.reason, "QuotaPending");
  const edited = { grant: grant({ generation: 2, status: status! }), enforcement: { ...writing, generation: 2 } };
  assert.equal(plan(edited).status!.observedGeneration, 2);
});

Deno.test("grant: counts as being written only if no other part is missing", () => {
  assert.equal(isBeingWritten(enforcement()), false);
  assert.equal(isBeingWritten(enforcement({ network: lacking("DestinationUnresolved") })), false);
  assert.equal(isBeingWritten(enforcement({ quota: lacking("Applying") })), true);
  assert.equal(isBeingWritten(enforcement({ quota: lacking("Applying"), network: lacking("WriteRefused") })), false);
});

Deno.test("grant: shown as ended only after its enforcement is gone", () => {
  assert.equal(plan({ grant: grant({ spec: ended }) }).status, undefined);
  assert.equal(plan({ grant: grant({ spec: ended }), enforcement: undefined }).status, undefined);
  const over = plan({ grant: grant({ spec: ended }), enforcement: enforcement({ enforced: false, usage: {} }) });
  assert.equal(over.status!.phase, "Expired");
  assert.equal(over.status!.actualUsage, undefined);
  assert.equal(over.status!.effectiveUntil, ended.validity.validUntil);
});

Deno.test("grant: validUntil has passed before it was ever enforced: Expired", () => {
  const seed = plan({
    grant: grant({ finalized: false, spec: { validity: { validUntil: "2026-01-01T00:00:00Z" } } }),
    enforcement: undefined,
  });
  assert.deepEqual([seed.finalizer, seed.status!.phase], [undefined, "Expired"]);
});

Deno.test("grant: revoked before it was in force: no effectiveUntil, whatever its validity", () => {
  const revoked = grant({
    finalized: false,
    spec: { revocation: { reason: "moved" }, validity: { validUntil: at(10_000) } },
  });
  const { status } = plan({ grant: revoked, enforcement: undefined });
  assert.deepEqual([status!.phase, status!.effectiveUntil], ["Revoked", undefined]);
  const again = plan({ grant: { ...revoked, status: status! }, enforcement: undefined });
  assert.deepEqual(again.status, status);
});

Deno.test("grant: validUntil becomes unreadable: the recorded end stays, and the message names the field", () => {
  const unreadable = { validity: { validUntil: "2040-01-01T00:00:00,5Z" } };
  const active = grant({ spec: unreadable, status: { phase: "Active", effectiveUntil: at(10_000) } });
  const said = plan({ grant: active });
  assert.deepEqual([said.status!.phase, said.status!.effectiveUntil], ["Active", at(10_000)]);
  assert.equal(ready(said)!.reason, "InvalidValidity");
  assert.match(ready(said)!.message, /validUntil is 2040-01-01T00:00:00,5Z; it must be an RFC 3339 time/);
  const over = plan({
    grant: { ...active, deletingSince: now - 600_000 },
    enforcement: enforcement({ enforced: false }),
  });
  assert.equal(over.finalizer, "remove");
});

Deno.test("grant: the recorded end is unreadable: stays in force and can be deleted", () => {
  const effectiveUntil = "2040-01-01T00:00:00,5Z";
  const broken = grant({
    spec: { validity: { validUntil: effectiveUntil } },
    status: { phase: "Active", effectiveUntil },
  });
  assert.equal(plan({ grant: broken }).status!.effectiveUntil, undefined);
  const leaving = { ...broken, deletingSince: now - 600_000 };
  assert.equal(plan({ grant: leaving, enforcement: enforcement({ enforced: false }) }).finalizer, "remove");
});

Deno.test("grant: deleted: keeps its finalizer until nothing of it is enforced", () => {
  const leaving = grant({ deletingSince: now - 300_000 });
  assert.deepEqual(plan({ grant: leaving }), nothing);
  assert.deepEqual(plan({ grant: leaving, enforcement: undefined }), nothing);
  const { finalizer, stages } = plan({ grant: leaving, enforcement: enforcement({ enforced: false }) });
  assert.deepEqual([finalizer, stages.map(({ kind }) => kind)], ["remove", ["close"]]);
  assert.deepEqual(plan({ grant: grant({ deletingSince: now, finalized: false }), enforcement: undefined }), nothing);
});

Deno.test("grant: an enforcement from before it came into force is ignored", () => {
  const stale = enforcement({ enforced: false, quota: lacking("NotInForce"), network: lacking("NotInForce") });
  assert.equal(plan({ enforcement: stale }).status, undefined);
});

Deno.test("grant: never enforced: shows no eviction, even if other pods are being evicted", () => {
  const never = grant({ finalized: false, spec: { revocation: {} } });
  const beside = enforcement({ enforced: false, draining: true });
  for (const known of [undefined, beside]) {
    const draining = plan({ grant: never, enforcement: known }).status!.conditions!.find(({ type }) =>
      type === "Draining"
    )!;
    assert.equal(draining.reason, "Drained", "the same after a restart, when no share is known yet");
  }
});

Deno.test("grant: deleted: Drained only after its enforcement is gone", () => {
  const status = { phase: "Active" as const };
  const leaving = grant({ deletingSince: now - 300_000, status });
  assert.deepEqual(plan({ grant: leaving, enforcement: enforcement({ draining: false }) }), nothing);
  const draining = plan({ grant: leaving, enforcement: enforcement({ enforced: false, draining: true }) }).status!
    .conditions!
    .find(({ type }) => type === "Draining")!;
  assert.equal(draining.reason, "Evicting");
});

Deno.test("grant: a write is refused: Ready is False with the remedy", () => {
  const failure = { reason: "WriteRefused" as const, message: "Writing ConfigMap guest-bob-home/keystone failed: no." };
  const refused = plan({ enforcement: enforcement({ failure }) });
  assert.deepEqual([refused.status!.phase, refused.status!.message], ["Active", failure.message]);
  assert.deepEqual([ready(refused)!.status, ready(refused)!.reason], ["False", "WriteRefused"]);
  assert.deepEqual(refused.events.map(({ type, reason }) => [type, reason]), [["Warning", "WriteRefused"]]);
  const beside = plan({ enforcement: enforcement({ failure, network: lacking("DestinationUnresolved") }) });
  assert.deepEqual([ready(beside)!.reason, ready(beside)!.message], [
    "DestinationUnresolved",
    `DestinationUnresolved. ${failure.message}`,
  ]);
});

Deno.test("grant: a possibly transient failure: shown only after ten seconds", () => {
  const failure = { reason: "WriteFailed" as const, message: "Writing ResourceQuota failed: 500." };
  const failing = enforcement({ failure, failingSince: now - 4000 });
  assert.deepEqual([ready(plan({ enforcement: failing }))!.status, plan({ enforcement: failing }).wakeAt], [
    "True",
    now + 6000,
  ]);
  assert.equal(ready(plan({ enforcement: failing, now: now + 6000 }))!.reason, "WriteFailed");
});

Deno.test("grant: the end can't be executed: reported, and the recorded end stays", () => {
  const { status } = plan();
  const draining = {
    type: "Draining",
    status: "True" as const,
    reason: "Revoked",
    message: "",
    lastTransitionTime: "",
  };
  const conditions = [...status!.conditions!.filter(({ type }) => type !== "Draining"), draining];
  const revoked = grant({
    spec: { revocation: {} },
    status: { ...status!, effectiveUntil: at(-1000), conditions },
  });
  const failure = { reason: "WriteRefused" as const, message: "Deleting RoleBinding failed: no." };
  const stuck = plan({ grant: revoked, enforcement: enforcement({ enforced: true, failure }) });
  assert.deepEqual([stuck.status!.phase, ready(stuck)!.reason], ["Active", "WriteRefused"]);
  assert.equal(stuck.status!.effectiveUntil, at(-1000));
  assert.equal(stuck.status!.conditions!.find(({ type }) => type === "Draining")!.reason, "Revoked");
  const over = plan({ grant: { ...revoked, status: stuck.status! }, enforcement: enforcement({ enforced: false }) });
  assert.equal(over.status!.phase, "Revoked", "and it ends when it can");
});

Deno.test("grant: revoked while its terms can't be planned: its end is announced and takes effect", () => {
  const { status } = plan();
  const revoked = grant({ status: status!, generation: 2, spec: { revocation: {} } });
  const failure = { reason: "PlanFailed" as const, message: "Planning it failed." };
  const noted = plan({ grant: revoked, enforcement: enforcement({ generation: 2, failure }) });
  assert.equal(ready(noted)!.reason, "PlanFailed");
  assert.equal(noted.status!.conditions!.find(({ type }) => type === "Draining")!.reason, "Revoked");
  assert.ok(Date.parse(noted.status!.effectiveUntil!) >= now);
  const later = { ...revoked, status: noted.status! };
  const until = Date.parse(noted.status!.effectiveUntil!);
  const over = plan({
    grant: later,
    now: until,
    enforcement: enforcement({ generation: 2, enforced: false, failure }),
  });
  assert.equal(over.status!.phase, "Revoked");
});

Deno.test("grant: reduced while planning fails: the reduction is dated once and the new terms are recorded", () => {
  const destinations = [{ destination: "203.0.113.0/24", addresses: ["203.0.113.0/24"] }];
  const { status } = plan({ enforcement: enforcement({ destinations }) });
  const cut = grant({ status: status!, generation: 2, spec: { hard: { "requests.cpu": 1 } } });
  const failure = { reason: "PlanFailed" as const, message: "Planning the guide failed." };
  const hard = { "requests.cpu": "1" };
  const reductions = [
    { until: now + 300_000, hard: listFrom({ "requests.cpu": 2 }), destinations: ["203.0.113.0/24"], except: [] },
  ];
  const failing = enforcement({ generation: 2, failure, hard, destinations, reductions });
  const noted = plan({ grant: cut, enforcement: failing });
  assert.deepEqual([ready(noted)!.reason, noted.status!.hard], ["PlanFailed", hard]);
  assert.deepEqual(noted.status!.reductions, [
    { until: "2026-06-01T12:05:00Z", hard: { "requests.cpu": "2" }, allowedDestinations: ["203.0.113.0/24"] },
  ]);
  const draining = conditionOf(noted.status, "Draining")!;
  assert.equal(draining.reason, "Reduced");
  assert.equal(
    draining.message,
    "At 2026-06-01T12:05:00Z the grant reduces requests.cpu from 2 to 1, and closes 203.0.113.0/24. Until then pods keep " +
      "running, but use of what is reduced can't grow beyond the amount that remains. Everything else stays.",
  );
  const later = { now: now + 60_000, skewMs: 0 };
  const again = reductionsOf({ ...cut, status: noted.status! }, listFrom(hard), [], 300_000, later);
  assert.deepEqual(again.map(({ until }) => until), [now + 300_000], "it isn't dated again");
  const unread = enforcement({ generation: 2, failure, asShown: true, hard: {}, destinations: [] });
  const kept = plan({ grant: { ...cut, status: noted.status! }, enforcement: unread });
  assert.deepEqual([kept.status!.hard, kept.status!.reductions], [hard, noted.status!.reductions]);
});

Deno.test("grant: reduced twice, and a destination removed: each message names its own part and amounts", () => {
  const status = plan({ enforcement: enforcement() }).status!;
  const cut = (minutes: number, hard: Record<string, string>, destinations: string[] = []) => ({
    until: now + minutes * 60_000,
    hard: listFrom(hard),
    destinations,
    except: [],
  });
  const reductions = [cut(5, { memory: "8Gi" }), cut(6, {}, ["internet"]), cut(7, { memory: "6Gi", pods: "20" })];
  const hard = { "requests.memory": "4Gi", pods: "10", "requests.cpu": "2" };
  const reduced = plan({ grant: grant({ status }), enforcement: enforcement({ hard, reductions }) });
  const until = "Until then pods keep running, but use of what is reduced can't grow beyond the amount that remains.";
  assert.equal(
    conditionOf(reduced.status, "Draining")!.message,
    `At 2026-06-01T12:05:00Z the grant reduces requests.memory from 8Gi to 6Gi. ${until} Everything else stays. ` +
      "At 2026-06-01T12:06:00Z the grant closes internet. Everything else stays. " +
      `At 2026-06-01T12:07:00Z the grant reduces pods from 20 to 10, requests.memory from 6Gi to 4Gi. ${until} ` +
      "Everything else stays.",
  );
  const undecided = enforcement({ hard, reductions: [{ ...cut(0, { "requests.cpu": "2" }), until: Infinity }] });
  const { message } = conditionOf(plan({ grant: grant({ status }), enforcement: undecided }).status, "Draining")!;
  assert.match(message, /^Once the clocks agree the grant reduces requests\.cpu\. Until then/);
});

Deno.test("grant: remaining pods unknown: not shown as ended", () => {
  const looking = enforcement({ enforced: false, draining: true, looking: true });
  const over = grant({ status: { phase: "Active" }, spec: ended });
  assert.equal(plan({ grant: over, enforcement: looking }).status, undefined);
  assert.equal(plan({ grant: over, enforcement: enforcement({ enforced: false }) }).status!.phase, "Expired");
});

Deno.test("grant: the status can't be planned: only Ready changes, and the finalizer can still be removed", () => {
  const { status } = plan();
  const broken = {
    get configured(): never {
      throw new Error("out of order");
    },
  } as never;
  const settings = { ...defaultSettings, trust: broken };
  const odd = plan({ grant: grant({ status: status! }), settings });
  assert.deepEqual([odd.status!.phase, ready(odd)!.reason], ["Active", "PlanFailed"]);
  assert.match(ready(odd)!.message, /^Planning the status of grant alice-to-bob failed: /);
  assert.ok(odd.faults![0]!.error instanceof Error);
  const { conditions: _1, message: _2, ...kept } = odd.status!;
  const { conditions: _3, message: _4, ...before } = status!;
  assert.deepEqual(kept, before);
  const gone = grant({ status: status!, deletingSince: now - 1_000_000 });
  assert.equal(plan({ grant: gone, settings, enforcement: enforcement({ enforced: false }) }).finalizer, "remove");
});

Deno.test("grant: guests' writes closed: only grants in force have the condition", () => {
  const closed = (planned: GrantPlan) => planned.status?.conditions?.find(({ type }) => type === "WritesClosed");
  const reported = plan({ guestWrites: "Closed" });
  assert.equal(closed(reported)?.reason, "StorageNearlyFull");
  assert.equal(ready(reported)?.status, "True", "all of it is enforced");
  const before = grant({ status: reported.status! });
  assert.deepEqual(plan({ grant: before, guestWrites: "Closed" }).status, reported.status);
  assert.deepEqual(closed(plan({ grant: before })), closed(reported), "an unknown state changes nothing");
  assert.equal(closed(plan({ grant: before, guestWrites: "Open" })), undefined);
  assert.equal(closed(plan()), undefined);
  const pending = plan({
    grant: grant({ finalized: false }),
    realm: undefined,
    enforcement: undefined,
    guestWrites: "Closed",
  });
  assert.equal(closed(pending), undefined);
});
