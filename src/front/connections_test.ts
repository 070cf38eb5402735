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
  ["one address: the oldest", [seat("a", 3), seat("a", 1), seat("a", 2)], 1],
  ["several addresses: of the address with the most", [seat("a", 1), seat("b", 3), seat("b", 2)], 2],
  ["one was never answered: that one, however young", [proven("a", 1), proven("a", 2), seat("b", 9)], 2],
  ["all were answered: of the address with the most", [proven("a", 1), proven("b", 2), proven("b", 3)], 1],
  ["all were answered: an idle one before a busy one", [proven("a", 1, true), proven("a", 2)], 1],
];
for (const [that, seats, index] of cases) {
  Deno.test(`connection to close: ${that}`, () => assert.equal(connectionToClose(seats), seats[index]));
}

Deno.test("connection to close: no connections: none", () => assert.equal(connectionToClose([]), undefined));
