import assert from "node:assert/strict";
import { load } from "js-yaml";
import { parseQuantity } from "../../../../lib/quantity/mod.ts";
import { grant } from "../../../../tests/fixtures/made_facts.ts";
import { noticeMessage } from "../../grant/end_text.ts";
import { guideText } from "./guide.ts";
import type { Entitlement } from "../entitlement.ts";

const entitlement = (name: string, destinations: string[]): Entitlement => ({
  grant: grant({ name }),
  terms: new Map(),
  held: new Map(),
  remaining: new Map(),
  destinations,
  except: [],
  within: [],
  reductions: [],
});

Deno.test("guide: each grant is an entry", () => {
  const entries = load(guideText([entitlement("a", ["203.0.113.0/24"]), entitlement("b", [])])) as { name: string }[];
  assert.deepEqual(entries.map(({ name }) => name), ["a", "b"]);
  assert.deepEqual(load(guideText([])), []);
});

Deno.test("guide: an entry has amounts, end, notice and destinations", () => {
  const hard = new Map([["requests.cpu", parseQuantity("1500m")], ["count/jobs.batch", parseQuantity("2")]]);
  const validity = { validFrom: "2026-06-01T00:00:00Z", validUntil: "2026-07-01T00:00:00Z" };
  // Characters that YAML forbids, and those that end its strings.
  const reason = ' the "disk": is\u007f full\u0085\ufffe \ud800 #1 ';
  const whole: Entitlement = {
    ...entitlement("a", ["203.0.113.0/24", "[2001:db8::1]:443/tcp"]),
    grant: grant({ name: "a", spec: { validity, revocation: { reason } } }),
    terms: new Map([["requests.cpu", parseQuantity("1")]]),
    held: hard,
    notice: { why: "Revoked", endsAt: Date.parse("2026-06-02T00:00:00Z"), skewed: false },
    reductions: [
      { until: Date.parse("2026-06-03T00:00:00Z"), hard, destinations: ["internet"], except: [] },
      { until: Infinity, hard: new Map(), destinations: [], except: [] },
    ],
  };
  const cpu = { "count/jobs.batch": "2", "requests.cpu": "1500m" };
  assert.deepEqual(load(guideText([whole])), [{
    name: "a",
    from: "2026-06-01T00:00:00Z",
    until: "2026-06-02T00:00:00Z",
    notice: {
      reason: "Revoked",
      ends: "2026-06-02T00:00:00Z",
      because: reason.trim(),
      message: noticeMessage({
        why: "Revoked",
        endsAt: Date.parse("2026-06-02T00:00:00Z"),
        because: reason.trim(),
      }),
    },
    reductions: [{
      until: "2026-06-03T00:00:00Z",
      hard: cpu,
      then: { "count/jobs.batch": "0", "requests.cpu": "1" },
      closes: ["internet"],
    }, { hard: {} }],
    hard: cpu,
    egress: ["203.0.113.0/24", "[2001:db8::1]:443/tcp"],
  }]);
});

Deno.test("guide: no reason, or an end before that of the validity: the entry says so", () => {
  const validity = { validUntil: "2026-07-01T00:00:00Z" };
  const gone: Entitlement = {
    ...entitlement("a", []),
    grant: grant({ name: "a", spec: { validity } }),
    notice: { why: "Deleted", endsAt: Date.parse("2026-06-02T00:00:00Z"), skewed: false },
  };
  const lowered = { ...entitlement("b", []), grant: gone.grant, endsAt: Date.parse("2026-06-20T00:00:00Z") };
  const expiring = { ...entitlement("c", []), grant: gone.grant, endsAt: Date.parse(validity.validUntil) };
  const entries = load(guideText([gone, lowered, expiring])) as { until: string; notice?: Record<string, string> }[];
  assert.deepEqual(entries.map(({ until }) => until), [
    "2026-06-02T00:00:00Z",
    "2026-06-20T00:00:00Z",
    validity.validUntil,
  ]);
  const { because, message } = entries[0]!.notice!;
  assert.equal(because, undefined);
  assert.match(message!, /^Ends at 2026-06-02T00:00:00Z: it was deleted, without a reason\. /);
});

Deno.test("guide: more grants than a ConfigMap holds: the rest is omitted and counted", () => {
  const destinations = Array.from({ length: 256 }, () => "9".repeat(270));
  const text = guideText(Array.from({ length: 20 }, (_, index) => entitlement(`g${index}`, destinations)));
  assert.ok(text.length < 1_048_576);
  const entries = load(text) as unknown[];
  assert.ok(entries.length > 10);
  assert.match(text, new RegExp(`\\n# No room for ${20 - entries.length} more grants\\.\\n$`));
});
