/** The folder that holds the generated files, and their documents in `openapi/`. */
export const folder = new URL("../", import.meta.url);
