/** Strict parser of HTTP/1.1 request heads: refuses everything that two parsers could understand differently. */

export interface RequestHead {
  method: string;
  /** Path without its query. */
  path: string;
  /** Headers by lower-case name. */
  headers: ReadonlyMap<string, string>;
  /** Bytes of the body; 0 without one. */
  length: number;
  /** True if the client wants the connection closed after the response. */
  close: boolean;
}

/** A request that is refused before its body is read; the message is a sentence. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

const mostHeaders = 64;
const requestLine = /^([A-Z]{1,16}) (\/[!-~]{0,2047}) HTTP\/1\.([01])$/;
const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
/** Headers that may appear only once, because otherwise it would be unclear which one counts. */
const single: ReadonlySet<string> = new Set(["host", "content-length", "content-type", "content-encoding"]);

/**
 * Parses a head, without its final empty line.
 *
 * @param text one character for each byte (Latin-1)
 * @throws {BadRequest} with the response's status
 */
export function parseHead(text: string): RequestHead {
  const [first = "", ...lines] = text.split("\r\n");
  const [, method, target, minor] = requestLine.exec(first) ?? [];
  if (method === undefined) throw new BadRequest(400, "The request line must be METHOD /PATH HTTP/1.1.");
  if (lines.length > mostHeaders) throw new BadRequest(431, `A request may have at most ${mostHeaders} headers.`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, given, value] = field.exec(line) ?? [];
    if (given === undefined) throw new BadRequest(400, "Each header line must be NAME: VALUE.");
    const name = given.toLowerCase();
    if (headers.has(name) && single.has(name)) throw new BadRequest(400, `The header ${name} is set twice.`);
    headers.set(name, value!.trimEnd());
  }
  if (minor === "1" && !headers.has("host")) throw new BadRequest(400, "The header host is missing.");
  if (headers.has("transfer-encoding")) {
    throw new BadRequest(411, "The header transfer-encoding is set; send content-length instead.");
  }
  const length = headers.get("content-length") ?? "0";
  if (!/^\d{1,15}$/.test(length)) throw new BadRequest(400, "The header content-length must be a number of bytes.");
  const connection = (headers.get("connection") ?? "").toLowerCase();
  return {
    method,
    path: target!.split("?", 1)[0]!,
    headers,
    length: Number(length),
    close: minor === "0" || connection.split(",").some((option) => option.trim() === "close"),
  };
}
