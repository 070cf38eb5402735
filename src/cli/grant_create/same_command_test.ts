import assert from "node:assert/strict";
import fc from "fast-check";
import { commandLines } from "../command_words.ts";
import { sameCommand } from "./same_command.ts";

Deno.test("the same command: instants instead of days, spans as they are, words quoted for a shell", () => {
  const end = Date.parse("2026-12-03T23:00:00Z");
  assert.equal(
    sameCommand(
      "web",
      { to: "bob-home", cpu: "2", memory: "4Gi", until: "friday", allow: ["internet:443", "nas.lan"] },
      {
        end,
      },
    ).join(" "),
    "keystone grant create web --to bob-home --cpu 2 --memory 4Gi --until 2026-12-03T23:00:00Z --allow internet:443,nas.lan",
  );
  assert.equal(
    sameCommand("web", { to: "bob-home", for: "2 weeks", hard: ["cpu=1"] }, { end }, {
      context: "it's",
      apiServer: "https://10.0.0.1:6443",
      asGroup: ["a b", "c"],
      token: "secret",
    }).join(" "),
    "keystone grant create web --to bob-home --hard cpu=1 --for '2 weeks' --context 'it'\\''s' " +
      "--server https://10.0.0.1:6443 --as-group 'a b' --as-group c",
  );
});

Deno.test("lines of the command: no wider than the terminal unless a flag is, and joined they are the command again", () => {
  const word = fc.stringMatching(/^[a-z]{1,20}$/);
  const words = fc.array(fc.oneof(word, word.map((name) => `--${name}`)), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(words, fc.integer({ min: 60, max: 200 }), (words, width) => {
    const lines = commandLines(words, width);
    assert.equal(lines.join("\n").replaceAll(" \\\n  ", " "), words.join(" "));
    for (const line of lines) assert.ok(line.length <= width || /^ *--/.test(line), line);
  }));
});
