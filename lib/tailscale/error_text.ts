/** From whatever a call failed with to a {@linkcode LocalApiError} that says what to do. */
import { z } from "zod";
import { LocalApiError, type LocalApiErrorKind } from "./local_api_error.ts";

const remedies: Record<LocalApiErrorKind, string> = {
  NotRunning: "start tailscaled, or name its socket",
  AccessDenied: "give this process's user access to the socket",
  NotFound: "it may have left the tailnet",
  Conflict: "read it again, and make the change on what is there now",
  Refused: "see what it says, and its log",
  Unsupported: "use a newer tailscaled, or one that was built with it",
  Timeout: "see its log, and restart it if it stays so",
  Protocol: "see that the socket is tailscaled's and that its version is supported",
};

const longest = 500;

/** What happened in words; fetch says it only in the cause of its error. */
function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.cause instanceof Error ? error.cause.message : error.message;
  // The URL in front is the same for every call and names no real host.
  return text.replace(/^.*client error \(\w+\): /, "");
}

/** Deno tells these apart by nothing but the words of its HTTP library. */
function kindOf(error: unknown): LocalApiErrorKind {
  if (error instanceof LocalApiError) return error.kind;
  if (error instanceof z.ZodError || error instanceof SyntaxError) return "Protocol";
  const text = words(error);
  if (error instanceof Deno.errors.NotCapable || text.includes("Permission denied")) return "AccessDenied";
  return /^invalid HTTP|parsed$|too large$/.test(text) ? "Protocol" : "NotRunning";
}

/** Why `what` (such as `GET status`) failed at the tailscaled of `socket`. */
export function explained(socket: string, what: string, error: unknown): LocalApiError {
  const kind = kindOf(error);
  if (error instanceof Deno.errors.NotCapable) {
    const flags = `--allow-net=unix:${socket},local-tailscaled.sock:80 --allow-read=${socket} --allow-write=${socket}`;
    const message = `Deno may not talk to tailscaled at ${socket}: ${error.message}; run with ${flags}`;
    return new LocalApiError(kind, message, { cause: error });
  }
  const all = error instanceof z.ZodError ? z.prettifyError(error).replaceAll("\n", " ") : words(error);
  // A whole list of nodes can be wrong; the first of them will do.
  const found = all.length > longest ? `${all.slice(0, longest)}…` : all;
  return new LocalApiError(kind, `tailscaled at ${socket}, asked ${what}: ${found}; ${remedies[kind]}`, {
    cause: error,
  });
}
