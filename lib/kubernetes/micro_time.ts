/** Formats a time as meta/v1 `MicroTime`: RFC 3339 with exactly six digits after the second. */
export function microTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace("Z", "000Z");
}
