import assert from "node:assert/strict";
import type { Grant } from "../api/client/keystone.io@v1alpha1.ts";
import { defaultLifetime, validitySentences } from "./token_lifetime.ts";

const now = Date.parse("2026-06-01T12:00:00Z");
const grant = (name: string, validUntil?: string, { phase = "Active", effectiveUntil, to = "bob-home" }: {
  phase?: string;
  effectiveUntil?: string;
  to?: string;
} = {}) =>
  ({
    metadata: { name },
    spec: { grantorRealm: "alice-home", granteeRealm: to, hard: {}, validity: { validUntil } },
    status: { phase, effectiveUntil },
  }) as unknown as Grant;
const lifetime = (...grants: Grant[]) => defaultLifetime("bob-home", grants, now);

Deno.test("several grants in force: the token lasts until the last of them ends", () => {
  const { seconds, because, grantEnd } = lifetime(
    grant("early", "2026-06-02T12:00:00Z"),
    grant("late", "2026-06-04T12:00:00Z"),
    grant("pending", "2026-07-04T12:00:00Z", { phase: "Pending" }),
    grant("ended", "2026-07-04T12:00:00Z", { phase: "Expired" }),
    grant("others", "2026-07-04T12:00:00Z", { to: "carol-home" }),
  );
  assert.deepEqual([seconds, grantEnd], [3 * 86_400, "2026-06-04T12:00:00Z"]);
  assert.match(because, /\(late\)/);
});

Deno.test("a grant on notice: its earlier end counts, not spec.validity", () => {
  const { grantEnd } = lifetime(grant("a", "2026-07-01T12:00:00Z", { effectiveUntil: "2026-06-01T13:00:00Z" }));
  assert.equal(grantEnd, "2026-06-01T13:00:00Z");
});

Deno.test("no known end: 30 days, with the reason", () => {
  const sentences = (grants: Grant[] | undefined) => {
    const found = defaultLifetime("bob-home", grants, now);
    assert.equal(found.seconds, 30 * 86_400);
    return validitySentences("bob-home", found, { expires: "2026-07-01T12:00:00Z", given: found.seconds });
  };
  const endless = sentences([grant("short", "2026-06-02T12:00:00Z"), grant("endless")]);
  assert.match(
    endless,
    /^Valid until 2026-07-01T12:00:00Z \(30 days, because grant endless has no end\), or until the last/,
  );
  assert.match(sentences(undefined), /because you may not read the grants' ends/);
  assert.match(sentences([]), /no end of a grant is known/);
});

Deno.test("the last grant ends in a minute: the shortest token, and the sentence has the grant's end", () => {
  const found = lifetime(grant("a", "2026-06-01T12:01:00Z"));
  assert.equal(found.seconds, 600);
  assert.match(
    validitySentences("bob-home", found, { expires: "2026-06-01T12:10:00Z", given: 600 }),
    /^Valid until 2026-06-01T12:01:00Z, when the last grant \(a\) ends,/,
  );
});

Deno.test("the API server gives a shorter lifetime: the sentences have the real end and the grant's", () => {
  const found = lifetime(grant("a", "2027-06-01T12:00:00Z"));
  assert.equal(
    validitySentences("bob-home", found, { expires: "2026-06-02T12:00:00Z", given: 86_400 }),
    "Valid until 2026-06-02T12:00:00Z, because the API server gives no longer lifetime. The last grant to bob-home ends " +
      "2027-06-01T12:00:00Z. Renew it with the same command.",
  );
});
