/** Reads by a key that somebody chose: `constructor` and `__proto__` are names like others, and no object has them by itself. */

/** The value that the record itself has under the key; what every object inherits is none. */
export const own = <T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
  record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
