import { z } from "zod";
import { LocalApiError } from "./local_api_error.ts";

/**
 * The daemon's serve configuration (`tailscale serve`), unchanged: this library interprets none of it, so reading and
 * writing back loses nothing. Its fields: `ipn.ServeConfig` of tailscale.com.
 */
export type ServeConfig = Record<string, unknown>;

/** A {@linkcode ServeConfig} with its version. */
export interface TaggedServeConfig {
  /** null if nothing was ever served. */
  config: ServeConfig | null;
  /** ETag for `setServeConfig`, so that another client's change isn't lost. */
  etag: string;
}

const configSchema = z.custom<ServeConfig | null>(
  (value) => typeof value === "object" && !Array.isArray(value),
  "expected an object or null",
);

export function serveConfigFrom(text: string, etag: string | null): TaggedServeConfig {
  // Without it, another client's change could be overwritten.
  if (!etag) throw new LocalApiError("Protocol", "its response has no ETag");
  return { config: configSchema.parse(JSON.parse(text)), etag };
}
