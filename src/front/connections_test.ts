import assert from "node:assert/strict";
import { connectionToClose, type OpenConnection } from "./connections.ts";

const seat = (source: string, since: number, more: Partial<OpenConnection> = {}): OpenConnection => ({
  source,
  since,
  proven: false,
  busy: true,
  ...more,
});
const proven = (source: string, since: number, busy = false) => seat(source, since, { proven: true, busy });

const cases: [string, OpenConnection[], number][] = [
  ["the oldest of one address", [seat("a", 3), seat("a", 1), seat("a", 2)], 1],
  ["of the address with the most", [seat("a", 1), seat("b", 3), seat("b", 2)], 2],
  ["one that was never answered, however young", [proven("a", 1), proven("a", 2), seat("b", 9)], 2],
  ["where all were answered: of the address with the most", [proven("a", 1), proven("b", 2), proven("b", 3)], 1],
  ["where all were answered: an idle one before a busy one", [proven("a", 1, true), proven("a", 2)], 1],
];
for (const [that, seats, index] of cases) {
  Deno.test(`the seat that is freed: ${that}`, () => assert.equal(connectionToClose(seats), seats[index]));
}

Deno.test("no seat: nothing to free", () => assert.equal(connectionToClose([]), undefined));
