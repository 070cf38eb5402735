/** The alerts of the chart, with the real promtool: their syntax, and series in which each fires and does not fire. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { runCommand } from "../lab/command.ts";
import { prometheusTest } from "../lab/needs_node.ts";

const rulesFile = new URL("../../deploy/chart/files/alerts.yaml", import.meta.url).pathname;
const { groups } = load(await Deno.readTextFile(rulesFile)) as {
  groups: { rules: { alert: string; labels: { severity: string }; annotations: Record<string, string> }[] }[];
};
const rules = groups.flatMap(({ rules }) => rules);
const minute = 60;
const day = 86_400;

interface AlertCase {
  alert: string;
  /** Values by series, in promtool's notation, one a minute from time 0. */
  series: Record<string, string>;
  /** Minutes at which it doesn't fire. */
  quiet: number[];
  /** Minute at which it fires, with these labels and this summary. */
  fires?: { at: number; labels?: Record<string, string>; summary: string };
}

const grant = `grant="alice-to-bob",realm="bob-home"`;
const ofBob = { realm: "bob-home" };
const ofGrant = { grant: "alice-to-bob", realm: "bob-home" };

const cases: AlertCase[] = [
  {
    alert: "KeystoneNoLeader",
    series: { [`keystone_leader{instance="a"}`]: "1x5 0x10", [`keystone_leader{instance="b"}`]: "0x15" },
    quiet: [4, 7],
    fires: { at: 9, summary: "No Keystone operator holds the Lease; no grant starts or ends." },
  },
  // Nothing is scraped at all.
  {
    alert: "KeystoneNoLeader",
    series: {},
    quiet: [1],
    fires: { at: 3, summary: "No Keystone operator holds the Lease; no grant starts or ends." },
  },
  {
    alert: "KeystoneTwoLeaders",
    series: { [`keystone_leader{instance="a"}`]: "1x15", [`keystone_leader{instance="b"}`]: "0 1 0 0 0 1x10" },
    quiet: [1, 3, 5],
    fires: { at: 7, summary: "More than one Keystone operator reports that it holds the Lease." },
  },
  {
    alert: "KeystoneGrantNotEnforced",
    series: {
      [`keystone_grant_ready{${grant},instance="a"}`]: "1 0x30",
      [`keystone_grant_ready{${grant},instance="b"}`]: "1 0x30",
    },
    quiet: [0, 10],
    fires: {
      at: 12,
      labels: ofGrant,
      summary: "Grant alice-to-bob to bob-home is not in force, or not all of it is enforced.",
    },
  },
  {
    alert: "KeystoneGrantOverdue",
    series: { [`keystone_grant_end_timestamp_seconds{${grant}}`]: `${10 * minute}x30` },
    quiet: [9, 11],
    fires: { at: 13, labels: ofGrant, summary: "Grant alice-to-bob to bob-home should have ended but has not." },
  },
  {
    alert: "KeystoneGrantEndsSoon",
    series: { [`keystone_grant_end_timestamp_seconds{${grant}}`]: `${day + 10 * minute}x30` },
    quiet: [10, 13],
    fires: { at: 17, labels: ofGrant, summary: "Grant alice-to-bob to bob-home ends within a day." },
  },
  {
    alert: "KeystoneDrainStuck",
    series: { [`keystone_drain_pods{realm="bob-home",state="terminating"}`]: "0 2x30" },
    quiet: [0, 15],
    fires: { at: 17, labels: ofBob, summary: "Pods of bob-home have been terminating for 15 minutes." },
  },
  // Running pods wait for their notice.
  {
    alert: "KeystoneDrainStuck",
    series: { [`keystone_drain_pods{realm="bob-home",state="running"}`]: "2x30" },
    quiet: [30],
  },
  {
    alert: "KeystoneRealmDisconnected",
    series: { [`keystone_realm_connected{realm="bob-home"}`]: "1x10 0x80" },
    quiet: [10, 60],
    fires: {
      at: 75,
      labels: ofBob,
      summary: "Realm bob-home has been offline on the tailnet for an hour; its grants stay in force.",
    },
  },
  {
    alert: "KeystoneNodeReplaced",
    series: {
      [`keystone_realm_error{realm="bob-home",reason="NodeReplaced",instance="a"}`]: "0x4 1x10",
      [`keystone_realm_error{realm="bob-home",reason="NodeNotFound",instance="a"}`]: "0x15",
    },
    quiet: [4, 5],
    fires: {
      at: 7,
      labels: ofBob,
      summary: "Another node has taken the name of realm bob-home; nothing is opened for it until an admin trusts it.",
    },
  },
  {
    alert: "KeystoneRealmError",
    series: {
      [`keystone_realm_error{realm="bob-home",reason="NodeReplaced"}`]: "1x15",
      [`keystone_realm_error{realm="carol-home",reason="NodeNotFound"}`]: "0x4 1x15",
    },
    quiet: [4, 8],
    fires: {
      at: 11,
      labels: { realm: "carol-home", reason: "NodeNotFound" },
      summary: "Realm carol-home is in state Error with reason NodeNotFound; an admin has to act.",
    },
  },
  {
    alert: "KeystoneRealmKeyExpires",
    series: { [`keystone_realm_key_expiry_timestamp_seconds{realm="bob-home"}`]: `${7 * day + 10 * minute}x90` },
    quiet: [10, 60],
    fires: { at: 75, labels: ofBob, summary: "The tailnet key of bob-home expires within a week." },
  },
  {
    alert: "KeystoneTailnetDown",
    series: {
      [`keystone_tailnet_up{instance="a"}`]: "1 0x20",
      [`keystone_tailnet_state{instance="a",state="NeedsLogin"}`]: "_ 1x20",
    },
    quiet: [0, 5],
    fires: { at: 7, summary: "No Keystone operator can reach its tailscaled; every realm is Unknown." },
  },
  // Without a tailnet there is nothing to reach.
  {
    alert: "KeystoneTailnetDown",
    series: {
      [`keystone_tailnet_up{instance="a"}`]: "0x20",
      [`keystone_tailnet_state{instance="a",state="none"}`]: "1x20",
    },
    quiet: [20],
  },
  {
    alert: "KeystoneClockSkew",
    series: { [`keystone_clock_skew_seconds{instance="a"}`]: "0 -12x10" },
    quiet: [0, 1],
    fires: {
      at: 3,
      summary: "The clocks of the operator and of the API server differ by 12 s; until they agree, no grant ends.",
    },
  },
  {
    alert: "KeystoneReconcileErrors",
    series: {
      [`keystone_reconcile_errors_total{controller="guests",outcome="transient"}`]: "0x2 6+6x40",
      [`keystone_reconcile_errors_total{controller="grants",outcome="transient"}`]: "0x2 1x40",
    },
    quiet: [2, 15],
    fires: { at: 35, labels: { controller: "guests" }, summary: "Reconciles of controller guests keep failing." },
  },
  {
    alert: "KeystoneLoopStuck",
    series: {
      [`keystone_leader{job="k",instance="a"}`]: "1x30",
      [`keystone_leader{job="k",instance="b"}`]: "0x30",
      [`keystone_workqueue_failing{job="k",instance="a",controller="guests"}`]: "0 1x30",
      [`keystone_workqueue_failing{job="k",instance="a",controller="grants"}`]: "0 1 1 0x30",
      [`keystone_workqueue_failing{job="k",instance="b",controller="realms"}`]: "1x30",
    },
    quiet: [0, 10],
    fires: {
      at: 12,
      labels: { controller: "guests" },
      summary: "Some reconciles of controller guests have failed for ten minutes; the others continue.",
    },
  },
  {
    alert: "KeystoneUnreadableObjects",
    series: {
      [`keystone_unreadable_objects{kind="Pod"}`]: "0 3x15",
      [`keystone_unreadable_objects{kind="Node"}`]: "0x15",
    },
    quiet: [0, 5],
    fires: {
      at: 7,
      labels: { kind: "Pod" },
      summary: "Keystone can't read 3 objects of kind Pod and ignores them.",
    },
  },
  {
    alert: "KeystoneStorageHalfFull",
    series: {
      keystone_storage_size_bytes: "100 1200x15",
      keystone_storage_quota_bytes: "2000x15",
    },
    quiet: [0, 5],
    fires: {
      at: 7,
      summary: "The API server's database has reached half of its quota; guests' writes close when it is nearly full.",
    },
  },
  // Without a quota there is no half.
  { alert: "KeystoneStorageHalfFull", series: { keystone_storage_size_bytes: "1200x15" }, quiet: [15] },
  {
    alert: "KeystoneGuestWritesClosed",
    series: { keystone_guest_writes_closed: "0 1x10" },
    quiet: [0, 1],
    fires: {
      at: 3,
      summary: "The API server's database is nearly full; guests can read and delete but not write.",
    },
  },
  {
    alert: "KeystoneFrontDown",
    series: { [`keystone_front_ready{instance="a"}`]: "1 0x20", [`keystone_front_ready{instance="b"}`]: "0x21" },
    quiet: [0, 10],
    fires: {
      at: 12,
      summary: "No front answers admission reviews; quotas and guards hold, but refusals are not explained.",
    },
  },
  // Without a webhook there is no front.
  { alert: "KeystoneFrontDown", series: { keystone_leader: "1x30" }, quiet: [30] },
  {
    alert: "KeystoneQueueStuck",
    series: { [`keystone_workqueue_depth{controller="guests"}`]: "100 101x30" },
    quiet: [0, 10],
    fires: {
      at: 12,
      labels: { controller: "guests" },
      summary: "The queue of controller guests has had more than 100 keys for ten minutes.",
    },
  },
  {
    alert: "KeystoneApiErrors",
    series: {
      [`keystone_api_requests_total{verb="patch",resource="grants/status",code="422"}`]: "0x2 6+6x40",
      [`keystone_api_requests_total{verb="get",resource="leases",code="404"}`]: "0+60x40",
    },
    quiet: [2, 15],
    fires: {
      at: 35,
      labels: { verb: "patch", resource: "grants/status", code: "422" },
      summary: "The API server keeps returning 422 for patch grants/status.",
    },
  },
];

/** Returns a case as a test of promtool. */
function promtoolTest({ alert, series, quiet, fires }: AlertCase) {
  const { labels: { severity }, annotations } = rules.find((rule) => rule.alert === alert)!;
  const at = (minutes: number, exp_alerts: unknown[]) => ({ eval_time: `${minutes}m`, alertname: alert, exp_alerts });
  const expected = fires && {
    exp_labels: { severity, ...fires.labels },
    exp_annotations: { summary: fires.summary, runbook_url: annotations.runbook_url },
  };
  return {
    name: alert,
    interval: "1m",
    input_series: Object.entries(series).map(([series, values]) => ({ series, values })),
    alert_rule_test: [...quiet.map((minutes) => at(minutes, [])), ...fires ? [at(fires.at, [expected])] : []],
  };
}

Deno.test("alerts: each has a case in which it fires, and one in which it does not", () => {
  const firing = new Set(cases.filter(({ fires }) => fires).map(({ alert }) => alert));
  assert.deepEqual([...firing].sort(), rules.map(({ alert }) => alert).sort());
  for (const { alert, quiet } of cases) assert.ok(quiet.length > 0, alert);
});

prometheusTest("alerts: promtool accepts the rules", async () => {
  const { code, stdout, stderr } = await runCommand("promtool", ["check", "rules", rulesFile]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, new RegExp(`SUCCESS: ${rules.length} rules found`));
});

prometheusTest("alerts: they fire in their state and after their time, and not otherwise", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/cases.json`;
    const tests = cases.map(promtoolTest);
    await Deno.writeTextFile(
      file,
      JSON.stringify({ rule_files: [rulesFile], evaluation_interval: "1m", tests }),
    );
    const { code, stdout, stderr } = await runCommand("promtool", ["test", "rules", file]);
    assert.equal(code, 0, stdout + stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
