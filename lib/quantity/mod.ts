/**
 * Exact Kubernetes resource quantities (`500m`, `4Gi`, `1e3`): {@linkcode parseQuantity} reads them as the API server
 * does, {@linkcode Quantity} calculates and writes the canonical form.
 *
 * @module
 */
export { maxQuantity, minQuantity, sumQuantities } from "./aggregate.ts";
export { isQuantity, parseQuantity, QuantityError } from "./parse.ts";
export { type Format, Quantity } from "./quantity.ts";
