import assert from "node:assert/strict";
import fc from "fast-check";
import { LineSplitter } from "./json_lines.ts";

/** Cuts the bytes at the given places, in any order and with repetitions (empty chunks). */
function chunks(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

Deno.test("JSON lines: cut into chunks anywhere: unchanged", () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue({ stringUnit: "binary" })),
      fc.array(fc.nat(100_000)),
      (values, cuts) => {
        const bytes = new TextEncoder().encode(values.map((value) => JSON.stringify(value) + "\n").join(""));
        const splitter = new LineSplitter();
        const lines = chunks(bytes, cuts).flatMap((chunk) => splitter.push(chunk));
        // JSON.stringify escapes lone surrogates, so every text survives UTF-8.
        assert.deepEqual(lines, values.map((value) => JSON.stringify(value)));
      },
    ),
  );
});

Deno.test("JSON lines: four-byte character in single bytes: unchanged", () => {
  const splitter = new LineSplitter();
  const lines = [...new TextEncoder().encode('"🦊"\n')].flatMap((byte) => splitter.push(new Uint8Array([byte])));
  assert.deepEqual(lines, ['"🦊"']);
});

Deno.test("JSON lines: line of 4 MB in small chunks: unchanged, in linear time", () => {
  const splitter = new LineSplitter();
  const chunk = new TextEncoder().encode("x".repeat(1024));
  for (let i = 0; i < 4096; i++) assert.deepEqual(splitter.push(chunk), []);
  const [line] = splitter.push(new TextEncoder().encode("\n"));
  assert.equal(line?.length, 4 * 1024 * 1024);
});

Deno.test("JSON lines: incomplete or empty lines: not returned", () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push(new TextEncoder().encode('\n\r\n{"a":1}\n\n{"b":')), ['{"a":1}']);
});
