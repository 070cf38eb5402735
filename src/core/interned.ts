/** Equal values as one object: specs, labels and quantities repeat themselves by the thousand, and never change. */
const known = new Map<string, object>();
const most = 4096;

/** The value, or an equal one that was given before. */
export function interned<T extends object>(value: T): T {
  const key = JSON.stringify(value);
  const before = known.get(key);
  if (before) return before as T;
  if (known.size === most) known.clear();
  known.set(key, value);
  return value;
}
