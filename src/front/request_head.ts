/** Reads the head of an HTTP/1.1 request strictly: what two parsers could understand in two ways is refused. */

export interface RequestHead {
  method: string;
  /** Path without its query. */
  path: string;
  /** By lower-case name. */
  headers: ReadonlyMap<string, string>;
  /** Bytes of the body; 0 without one. */
  length: number;
  /** Whether the client wants the connection closed after the answer. */
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
/** Headers of which a second one would leave open which counts. */
const single: ReadonlySet<string> = new Set(["host", "content-length", "content-type", "content-encoding"]);

/**
 * Reads a head, without the empty line that ends it.
 *
 * @param text one character a byte (Latin-1)
 * @throws {BadRequest} with the status to answer
 */
export function parseHead(text: string): RequestHead {
  const [first = "", ...lines] = text.split("\r\n");
  const [, method, target, minor] = requestLine.exec(first) ?? [];
  if (method === undefined) throw new BadRequest(400, "The request line is not METHOD /PATH HTTP/1.1.");
  if (lines.length > mostHeaders) throw new BadRequest(431, `A request may have at most ${mostHeaders} headers.`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, given, value] = field.exec(line) ?? [];
    if (given === undefined) throw new BadRequest(400, "A header line is not NAME: VALUE.");
    const name = given.toLowerCase();
    if (headers.has(name) && single.has(name)) throw new BadRequest(400, `The header ${name} is there twice.`);
    headers.set(name, value!.trimEnd());
  }
  if (minor === "1" && !headers.has("host")) throw new BadRequest(400, "The header host is missing.");
  if (headers.has("transfer-encoding")) {
    throw new BadRequest(411, "The header transfer-encoding is set; send content-length instead.");
  }
  const length = headers.get("content-length") ?? "0";
  if (!/^\d{1,15}$/.test(length)) throw new BadRequest(400, "The header content-length is not a number of bytes.");
  const connection = (headers.get("connection") ?? "").toLowerCase();
  return {
    method,
    path: target!.split("?", 1)[0]!,
    headers,
    length: Number(length),
    close: minor === "0" || connection.split(",").some((option) => option.trim() === "close"),
  };
}
