import assert from "node:assert/strict";
import type { LogRecord } from "@logtape/logtape";
import { jsonLine, textLine } from "./log.ts";

const recordOf = (rawMessage: string, properties: Record<string, unknown>): LogRecord => ({
  category: ["keystone"],
  level: "warning",
  message: rawMessage.split(/\{(\w+)\}/).map((part, index) => index % 2 === 0 ? part : properties[part]),
  rawMessage,
  timestamp: Date.parse("2026-12-01T09:14:03.512Z"),
  properties,
});

Deno.test("log: text and JSON have the same message, without quotes around values", () => {
  const record = recordOf("{controller} {key}: {error}", { controller: "grants", key: "loan", error: 'no "room"' });
  assert.match(textLine(record), /\[WARNING\].*: grants loan: no "room"\n$/);
  const line = JSON.parse(jsonLine(record));
  assert.equal(line.message, 'grants loan: no "room"');
  assert.equal(line.controller, "grants");
  assert.equal(line["@timestamp"], "2026-12-01T09:14:03.512Z");
});

Deno.test("log: a message that is one value: JSON has it once, besides its fields", () => {
  const line = JSON.parse(jsonLine(recordOf("{news}", { news: "Grant loan is Active.", grant: "loan" })));
  assert.deepEqual([line.message, line.grant, line.news], ["Grant loan is Active.", "loan", undefined]);
});

Deno.test("log: a guest's text with newlines and escape codes: stays on its line, and harmless", () => {
  const said = "bad\n12:00:00 [INFO] : Grant x is Active\u001b[2J\u009b1m";
  const text = textLine(recordOf("{error}", { error: said }));
  assert.equal(text.trimEnd().split("\n").length, 1);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\u001b\u009b]/);
  const json = jsonLine(recordOf("{error}", { error: said }));
  assert.equal(json.trimEnd().split("\n").length, 1);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(json, /[\u001b\u009b]/);
});
