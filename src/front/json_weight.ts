/** Measures a JSON text before it is parsed, because a small text can become a large object. */

export interface JsonWeight {
  /** Nesting depth of arrays and objects. */
  depth: number;
  /** Approximate number of arrays, objects and their members. */
  values: number;
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Measures UTF-8 bytes; the result has no meaning if the text isn't JSON. */
export function jsonWeight(bytes: Uint8Array): JsonWeight {
  let depth = 0, deepest = 0, values = 0, inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (inString) {
      if (byte === backslash) at++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === comma || byte === colon) values++;
    else if (byte === openBrace || byte === openBracket) {
      values++;
      if (++depth > deepest) deepest = depth;
    } else if (byte === closeBrace || byte === closeBracket) depth--;
  }
  return { depth: deepest, values };
}
