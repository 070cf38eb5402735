/**
 * Counts how often objects were created and deleted: one that is deleted and created again looks the same at the end.
 */
import type { RecordedFact } from "../recorder.ts";

/** Returns the numbers of creations and deletions, by `ADDED resource/namespace/name`. */
export function counts(sightings: readonly RecordedFact[], mark: string): Record<string, number> {
  const out: Record<string, number> = {};
  for (const { resource, type, object: { metadata } } of sightings) {
    if (type === "MODIFIED") continue;
    const key = `${type} ${resource}/${metadata!.namespace ?? ""}/${metadata!.name}`.replaceAll(mark, "");
    out[key] = (out[key] ?? 0) + 1;
  }
  return out;
}
