/** Errors caused by objects that are deleted while they are reconciled. */
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { group } from "../api/mod.ts";

/**
 * True if the write failed because the Grant, Realm or SuperEntity of this name is deleted; its watch reports that
 * soon.
 */
export const isGone = (error: unknown, name: string): boolean =>
  isApiError(error, 404) && error.details?.group === group && error.details.name === name;

/**
 * True if the write failed because the namespace is terminating: nothing can be created in it any more, not even
 * events.
 */
export const isLeaving = (error: unknown): boolean =>
  isApiError(error, 403) && (error.details?.causes ?? []).some(({ reason }) => reason === "NamespaceTerminating");
