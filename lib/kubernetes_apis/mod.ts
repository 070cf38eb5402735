/**
 * Only the types that all groups share. A group is imported by itself, such as `kubernetes_apis/core@v1.ts`, so that a
 * program loads what it calls.
 *
 * @module
 */
export type * from "./meta@v1.ts";
