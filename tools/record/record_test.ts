import assert from "node:assert/strict";
import { Answering } from "./answering.ts";
import { runOnTerminal } from "./pty.ts";
import { sectionsOf } from "./sections.ts";
import { TerminalScreen } from "./terminal_screen.ts";
import { terminalSvg } from "./terminal_svg.ts";

function rowsOf(text: string) {
  const screen = new TerminalScreen();
  screen.write(text);
  return screen.rows();
}
const texts = (text: string) => rowsOf(text).map((row) => row.map(({ text }) => text).join(""));

Deno.test("screen: colors and weights become spans with their columns", () => {
  assert.deepEqual(rowsOf("a\x1b[1;32mb\x1b[0mc \x1b[38;5;196md\x1b[39m\x1b[2me\x1b[22m\r\n"), [[
    { column: 0, text: "a" },
    { color: "green", bold: true, column: 1, text: "b" },
    { column: 2, text: "c " },
    { color: "#ff0000", column: 4, text: "d" },
    { dim: true, column: 5, text: "e" },
  ]]);
});

Deno.test("screen: a line that changes shows its last state only", () => {
  assert.deepEqual(texts("\r\x1b[2Kbuilding 1\r\x1b[2Kbuilding 2\r\x1b[2Kready\r\n"), ["ready"]);
  assert.deepEqual(texts("one\r\ntwo\x1b[1A\r\x1b[Kthree\r\n"), ["three", "two"]);
  assert.deepEqual(texts("a\tb\r\n\x1b]0;title\x07c\b\bd"), ["a       b", "d"]);
});

Deno.test("screen: a line that is longer than the terminal goes on in the next row; one as long does not", () => {
  const screen = new TerminalScreen(4);
  screen.write("fourth\r\nto\r\nfour\r\nx\x1b[1A\rp");
  assert.deepEqual(screen.rows().map((row) => row.map(({ text }) => text).join("")), ["four", "th", "to", "pour", "x"]);
});

Deno.test("answers: each question gets its own, by the open question alone; Enter for one without", async () => {
  const typed: string[] = [];
  const run = {
    ended: Promise.resolve(0),
    type: (text: string) => Promise.resolve(void typed.push(text)),
    close: () => {},
  };
  const answering = new Answering([[/much/, "cpu=1\r"], [/long/, "3d\r"]], () => run, 0);
  const asks = async (text: string) => {
    const before = typed.length;
    answering.onText(text);
    while (typed.length === before) await new Promise((resolve) => setTimeout(resolve));
  };
  await asks("◆  Who?\r\n│  long");
  await asks("◇  Who?\r\n│  long\r\n◆  \x1b[1mHow much?\x1b[0m");
  await asks("◇  How much?\r\n◆  How long?");
  await asks("◆  How long?");
  answering.end();
  assert.deepEqual(typed, ["\r", "cpu=1\r", "3d\r", "\r"]);
});

Deno.test("screen: sequences that only steer the terminal leave no trace", () => {
  assert.deepEqual(texts("\x1b[?25l\x1b(Bx\x1b[?25h\x1b]8;;https://e.org\x1b\\y\x1b]8;;\x1b\\"), ["xy"]);
});

Deno.test("picture: text at its columns, escaped, with nothing from elsewhere", () => {
  const svg = terminalSvg(rowsOf('a \x1b[31m<b> & "c"\x1b[0m\r\n\r\nd'), { title: "x < y", columns: 20 });
  assert.match(svg, /<tspan x="32\.8" textLength="75\.6" style="fill:#ff7b72">&lt;b&gt; &amp; &quot;c&quot;<\/tspan>/);
  assert.match(svg, /aria-label="x &lt; y"/);
  assert.equal(svg.match(/<text y=/g)?.length, 2);
  assert.doesNotMatch(svg.replace("http://www.w3.org/2000/svg", ""), /https?:|@import|<script|url\(/);
});

Deno.test("picture: blanks at the ends and wide gaps are places, not letters", () => {
  const svg = terminalSvg(rowsOf("  a b   c\r\n"), { title: "x", columns: 20 });
  const spans = [...svg.matchAll(/<tspan x="([\d.]+)"[^>]*>([^<]*)</g)].map(([, x, text]) => [x, text]);
  assert.deepEqual(spans, [["32.8", "a b"], ["83.2", "c"]]);
});

Deno.test("sections: the head and the chosen ones, with long blocks cut; a pattern without a section is refused", () => {
  const block = Array.from({ length: 20 }, (_, index) => `    line ${index}`).join("\r\n");
  const rows = rowsOf(
    `\x1b[1mHead\x1b[0m\r\nintro\r\n\r\n\x1b[1mOne\x1b[0m\r\n${block}\r\n  ok\r\n\r\n\x1b[1mTwo\x1b[0m\r\nx`,
  );
  const shown = sectionsOf(rows, [/^One/]).map((row) => row.map(({ text }) => text).join(""));
  assert.deepEqual(shown.slice(0, 5), ["Head", "intro", "", "One", "    line 0"]);
  assert.deepEqual(shown.slice(-2), ["…", "  ok"]);
  assert.throws(() => sectionsOf(rows, [/Three/]), /Three.*\nHead\nOne\nTwo/);
});

Deno.test({
  name: "terminal: a program sees one, of the width that is asked for, and is interrupted by Ctrl-C",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const cwd = new URL(".", import.meta.url).pathname;
    const run = async (command: string) => {
      let text = "";
      const started = runOnTerminal(command, {
        columns: 77,
        cwd,
        onText(each) {
          text += each;
          if (each.includes("ready")) void started.type("\x03");
        },
      });
      return { code: await started.ended, text };
    };
    const { code, text } = await run("test -t 1 && stty size; exit 3");
    assert.equal(text.trim(), "60 77");
    assert.equal(code, 3);
    assert.notEqual((await run("echo ready; sleep 60")).code, 0);
  },
});
