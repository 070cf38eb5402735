/** Header lines of requests and responses, read by the same strict rules. */
import { malformed, type MessageSide } from "./malformed.ts";

/** Maximum number of headers. */
const mostHeaders = 64;

const headerName = /^[A-Za-z][A-Za-z0-9-]{0,127}$/;
/** ASCII in requests; the API server's warnings may have other bytes. */
const headerValue = { request: /^[\x20-\x7e]*$/, response: /^[\x20-\x7e\x80-\xff]*$/ };

/**
 * Parses header lines into pairs of a lower-case name and a value without surrounding spaces. Names have letters, digits
 * and hyphens only: an underscore could be read as a hyphen, and a space before the colon as a part of the name.
 *
 * @throws {MalformedMessage}
 */
export function headerLines(lines: readonly string[], side: MessageSide): [name: string, value: string][] {
  if (lines.length > mostHeaders) {
    throw malformed(side, `The head has ${lines.length} headers; at most ${mostHeaders} are allowed.`, 431);
  }
  return lines.map((line) => {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    const value = line.slice(colon + 1);
    if (!headerName.test(name) || !headerValue[side].test(value)) {
      throw malformed(side, "Each header line must be NAME: VALUE, with letters, digits and hyphens in the name.");
    }
    return [name.toLowerCase(), value.trim()];
  });
}

/** Parses the body's length. @throws {MalformedMessage} */
export function contentLength(value: string, side: MessageSide): number {
  if (!/^(0|[1-9]\d{0,14})$/.test(value)) {
    throw malformed(side, "The header content-length must be a number of bytes.");
  }
  return Number(value);
}

/** Parses the transfer coding: `chunked` is the only one. @throws {MalformedMessage} */
export function isChunked(value: string | undefined, hasLength: boolean, side: MessageSide): boolean {
  if (value === undefined) return false;
  if (hasLength) throw malformed(side, "The headers content-length and transfer-encoding exclude each other.");
  if (value.toLowerCase() !== "chunked") throw malformed(side, "The header transfer-encoding must be chunked.", 501);
  return true;
}

/** Parses the header `Connection` into lower-case options. @throws {MalformedMessage} */
export function connectionOptions(value: string | undefined, side: MessageSide): string[] {
  if (value === undefined || value === "") return [];
  const options = value.toLowerCase().split(",").map((option) => option.trim());
  if (options.every((option) => headerName.test(option))) return options;
  throw malformed(side, "The header connection must be a list of names.");
}
