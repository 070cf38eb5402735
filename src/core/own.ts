/** Lookup by keys from user input: `constructor` and `__proto__` are keys like any other. */

/** Returns the record's own value of the key, never an inherited one. */
export const own = <T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
  record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
