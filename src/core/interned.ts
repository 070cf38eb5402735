/**
 * Interning: equal values share one object, because specs, labels and quantities repeat by the thousand and never
 * change.
 */
const known = new Map<string, object>();
const most = 4096;

/** Returns the value, or an equal one from an earlier call. */
export function interned<T extends object>(value: T): T {
  const key = JSON.stringify(value);
  const before = known.get(key);
  if (before) return before as T;
  if (known.size === most) known.clear();
  known.set(key, value);
  return value;
}
