/** A second reading of HTTP/1.1 bytes, by `http-parser-js`, to compare the front's own parser with. */
import { Buffer } from "node:buffer";
import { HTTPParser, methods } from "http-parser-js";

export interface SecondReading {
  method: string;
  target: string;
  status: number;
  headers: [name: string, value: string][];
  body: string;
  upgrade: boolean;
  /** True if the message ended within the bytes. */
  complete: boolean;
}

/** Returns the messages that the second parser finds, or its error after those. Decodes bytes as Latin-1. */
export function secondReading(
  bytes: Uint8Array,
  type: "REQUEST" | "RESPONSE" = "REQUEST",
): { messages: SecondReading[]; error?: string; rest: number } {
  const messages: SecondReading[] = [];
  // As ASCII a byte loses its highest bit and may become a line feed: of a request, no such byte is accepted.
  HTTPParser.encoding = type === "REQUEST" ? "ascii" : "latin1";
  const parser = new HTTPParser(type);
  parser[HTTPParser.kOnHeadersComplete] = (info: {
    method: number;
    url: string;
    statusCode: number;
    headers: string[];
    upgrade: boolean;
  }) => {
    const headers: [string, string][] = [];
    for (let at = 0; at < info.headers.length; at += 2) headers.push([info.headers[at]!, info.headers[at + 1]!]);
    messages.push({
      method: methods[info.method] ?? "",
      target: info.url,
      status: info.statusCode,
      headers,
      body: "",
      upgrade: info.upgrade,
      complete: false,
    });
  };
  parser[HTTPParser.kOnBody] = (chunk: Buffer, offset: number, length: number) => {
    messages.at(-1)!.body += chunk.toString("latin1", offset, offset + length);
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    messages.at(-1)!.complete = true;
  };
  const read = parser.execute(Buffer.from(bytes));
  return read instanceof Error ? { messages, error: String(read), rest: 0 } : { messages, rest: bytes.length - read };
}
