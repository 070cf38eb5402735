/**
 * The types that all groups share. Import a group separately, such as `kubernetes_apis/core@v1.ts`, so that a program
 * loads only what it uses.
 *
 * @module
 */
export type * from "./meta@v1.ts";
