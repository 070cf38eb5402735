import manifest from "../deno.json" with { type: "json" };

/** The version of this operator, semantic versioning. */
export const version: string = manifest.version;
