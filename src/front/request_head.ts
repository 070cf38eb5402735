/** Heads of requests to the webhook: the strict parser, with bodies of a known length only. */
import { type ClientHead, parseRequestHead } from "./http/client_head.ts";

export interface RequestHead extends ClientHead {
  /** Bytes of the body; 0 without one. */
  length: number;
}

/** Parses a head, without its final empty line. @throws {BadRequest} with the response's status */
export function parseHead(text: string): RequestHead {
  const head = parseRequestHead(text, { allowsChunked: false, allowsUpgrade: false });
  return { ...head, length: head.body.kind === "length" ? head.body.length : 0 };
}
