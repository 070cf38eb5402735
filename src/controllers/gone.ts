/** Objects that are deleted while they are looked at. */
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { group } from "../api/mod.ts";

/** Whether it failed since the Grant, Realm or SuperEntity of this name is no more, which the watch is about to tell. */
export const isGone = (error: unknown, name: string): boolean =>
  isApiError(error, 404) && error.details?.group === group && error.details.name === name;
