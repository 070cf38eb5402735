/** Measures a JSON text before it is parsed: a small text can make a big object. */

export interface JsonWeight {
  /** Levels of arrays and objects inside each other. */
  depth: number;
  /** Arrays, objects and their members, about. */
  values: number;
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Measures UTF-8 bytes; of what is no JSON the figures mean nothing. */
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
