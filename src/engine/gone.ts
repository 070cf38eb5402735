/** Objects that are deleted while they are looked at. */
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { group } from "../api/mod.ts";

/** Tells of a failure because the Grant, Realm or SuperEntity of this name is gone, which its watch is about to report. */
export const isGone = (error: unknown, name: string): boolean =>
  isApiError(error, 404) && error.details?.group === group && error.details.name === name;

/** Tells of a failure because the namespace is terminating: nothing can be made there any more, events included. */
export const isLeaving = (error: unknown): boolean =>
  isApiError(error, 403) && (error.details?.causes ?? []).some(({ reason }) => reason === "NamespaceTerminating");
