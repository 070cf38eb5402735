/** Amounts of resources by quota key. */
import type { Quantity } from "../../../lib/quantity/mod.ts";

/** Quantities by quota key, such as `requests.cpu`. */
export type ResourceList = ReadonlyMap<string, Quantity>;
