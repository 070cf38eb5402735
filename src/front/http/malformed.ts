/** Errors about HTTP messages that can't be understood in one way only. */

/** A message that is refused; `message` is a sentence. */
export abstract class MalformedMessage extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** A request that is refused before its body is read. `status` is the response's. */
export class BadRequest extends MalformedMessage {
  override readonly name = "BadRequest";
}

/** A response of the API server that is not passed on. `status` is 502. */
export class BadResponse extends MalformedMessage {
  override readonly name = "BadResponse";
  constructor(message: string) {
    super(502, message);
  }
}

/** Side of an exchange: a client's requests, or the API server's responses. */
export type MessageSide = "request" | "response";

/** Returns the error for a message that is refused. */
export const malformed = (side: MessageSide, message: string, status = 400): MalformedMessage =>
  side === "request" ? new BadRequest(status, message) : new BadResponse(message);
