import assert from "node:assert/strict";
import { isLoopback } from "./is_loopback.ts";

const cases: [string | undefined, boolean][] = [
  [undefined, true],
  ["0.0.0.0", true],
  ["::", true],
  ["127.0.0.1", true],
  ["127.9.9.9", true],
  ["::1", true],
  ["::ffff:127.0.0.1", true],
  ["localhost", true],
  ["alice.example.com", true],
  ["10.42.0.7", false],
  ["fd00::7", false],
  ["203.0.113.9", false],
];
for (const [hostname, expected] of cases) {
  Deno.test(`${hostname ?? "all addresses"}: ${expected ? "counts as" : "is not"} loopback`, () =>
    assert.equal(isLoopback(hostname), expected));
}
