/**
 * Reads the body of a response as text; undefined if it has more than `maxBytes` when decompressed, in which case no
 * more of it is read.
 *
 * @example
 * ```ts
 * import { boundedText } from "./bounded_text.ts";
 * import assert from "node:assert/strict";
 *
 * assert.equal(await boundedText(new Response("four"), 4), "four");
 * assert.equal(await boundedText(new Response("fours"), 4), undefined);
 * ```
 */
export async function boundedText(response: Response, maxBytes: number): Promise<string | undefined> {
  const { body, headers } = response;
  if (body === null) return "";
  const length = headers.get("content-length");
  // Read at once, which works for most responses.
  if (length !== null && !headers.has("content-encoding") && Number(length) <= maxBytes) return await response.text();
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let bytes = 0;
  // A proxy may have compressed the body although it was requested uncompressed.
  const isPacked = headers.get("content-encoding") === "gzip";
  const plain = isPacked ? body.pipeThrough(new DecompressionStream("gzip")) : body;
  // Leaving the loop cancels the body.
  for await (const chunk of plain) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return undefined;
    parts.push(decoder.decode(chunk, { stream: true }));
  }
  parts.push(decoder.decode());
  return parts.join("");
}
