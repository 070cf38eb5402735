/** Converts any failure of a call to a {@linkcode LocalApiError} with a remedy. */
import { z } from "zod";
import { LocalApiError, type LocalApiErrorKind } from "./local_api_error.ts";

const remedies: Record<LocalApiErrorKind, string> = {
  NotRunning: "start tailscaled, or name its socket",
  AccessDenied: "give this process's user access to the socket",
  NotFound: "it may have left the tailnet",
  Conflict: "read it again and repeat the change",
  Refused: "see its message and its log",
  Unsupported: "use a newer tailscaled, or one built with this feature",
  Timeout: "see its log, and restart it if this persists",
  Protocol: "check that the socket is tailscaled's and that its version is supported",
};

const longest = 500;

/** Returns the text of an error; fetch has it only in the error's cause. */
function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.cause instanceof Error ? error.cause.message : error.message;
  // The URL at the beginning is the same for every call and has no real host.
  return text.replace(/^.*client error \(\w+\): /, "");
}

/** Returns the kind of an error. Deno distinguishes some only by its HTTP library's messages. */
function kindOf(error: unknown): LocalApiErrorKind {
  if (error instanceof LocalApiError) return error.kind;
  if (error instanceof z.ZodError || error instanceof SyntaxError) return "Protocol";
  const text = words(error);
  if (error instanceof Deno.errors.NotCapable || text.includes("Permission denied")) return "AccessDenied";
  return /^invalid HTTP|parsed$|too large$/.test(text) ? "Protocol" : "NotRunning";
}

/** Returns the error for a call `what` (such as `GET status`) that failed at the tailscaled of `socket`. */
export function explained(socket: string, what: string, error: unknown): LocalApiError {
  const kind = kindOf(error);
  if (error instanceof Deno.errors.NotCapable) {
    const flags = `--allow-net=unix:${socket},local-tailscaled.sock:80 --allow-read=${socket} --allow-write=${socket}`;
    const message = `Deno may not talk to tailscaled at ${socket}: ${error.message}; run with ${flags}`;
    return new LocalApiError(kind, message, { cause: error });
  }
  const all = error instanceof z.ZodError ? z.prettifyError(error).replaceAll("\n", " ") : words(error);
  // Many nodes can be invalid; the beginning is enough.
  const found = all.length > longest ? `${all.slice(0, longest)}…` : all;
  return new LocalApiError(kind, `tailscaled at ${socket}: ${what} failed: ${found}; ${remedies[kind]}`, {
    cause: error,
  });
}
