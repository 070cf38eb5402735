import manifest from "../deno.json" with { type: "json" };

/** The operator's version (semantic versioning). */
export const version: string = manifest.version;
