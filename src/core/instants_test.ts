import assert from "node:assert/strict";
import { rfc3339 } from "./instants.ts";

Deno.test("instants: any number is formatted as an instant that the API server accepts", () => {
  assert.equal(rfc3339(Date.parse("2026-06-01T12:00:00.999Z")), "2026-06-01T12:00:00Z");
  assert.equal(rfc3339(Date.parse("9999-12-31T23:59:59Z") + 120_000), "9999-12-31T23:59:59Z");
  for (const odd of [Infinity, Number.MAX_VALUE]) assert.equal(rfc3339(odd), "9999-12-31T23:59:59Z");
  for (const odd of [NaN, -Infinity, -1e20]) assert.equal(rfc3339(odd), "0001-01-01T00:00:00Z");
});
