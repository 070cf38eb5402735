import { z } from "zod";
import { LocalApiError } from "./local_api_error.ts";

/**
 * What the daemon serves on the tailnet (`tailscale serve`), exactly as it came: this library looks at none of it, so
 * that what is read and written back loses nothing. Its fields: `ipn.ServeConfig` of tailscale.com.
 */
export type ServeConfig = Record<string, unknown>;

/** A {@linkcode ServeConfig} and the state of it that was read. */
export interface TaggedServeConfig {
  /** null when nothing was ever served. */
  config: ServeConfig | null;
  /** For `setServeConfig`, so that nobody else's change is lost. */
  etag: string;
}

const configSchema = z.custom<ServeConfig | null>(
  (value) => typeof value === "object" && !Array.isArray(value),
  "expected an object or null",
);

export function serveConfigFrom(text: string, etag: string | null): TaggedServeConfig {
  // Without it a change could not be told from one by somebody else.
  if (!etag) throw new LocalApiError("Protocol", "its answer has no ETag");
  return { config: configSchema.parse(JSON.parse(text)), etag };
}
