/** Objects that are deleted while they are looked at. */
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { group } from "../api/mod.ts";

/** Whether it failed since the Grant, Realm or SuperEntity of this name is no more, which the watch is about to tell. */
export const isGone = (error: unknown, name: string): boolean =>
  isApiError(error, 404) && error.details?.group === group && error.details.name === name;

/** Whether it failed since its namespace is on its way out, in which nothing can be made any more, events included. */
export const isLeaving = (error: unknown): boolean =>
  isApiError(error, 403) && (error.details?.causes ?? []).some(({ reason }) => reason === "NamespaceTerminating");
