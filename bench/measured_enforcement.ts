/**
 * Finds in the audit log when a grant to a new realm was enforced: all objects are written, and the quota is counted.
 */
import { operatorName } from "../src/core/names.ts";
import { type AuditedRequest, by, isQuotaStatus } from "./audit.ts";
import { isGuestKind, necessary } from "./necessary.ts";

const isOperator = by(operatorName);

/** The writes that each guest namespace needs. */
const needed = new Set([
  ...necessary.filter(isGuestKind).flatMap(({ resource, names }) =>
    (names ?? [""]).map((name) => `${resource.plural}/${name}`)
  ),
  "resourcequotas/status",
]);

/**
 * Follows the audit log; records for each namespace when the last needed write was first complete, in epoch
 * milliseconds.
 */
export class Enforcement {
  readonly at = new Map<string, number>();
  readonly #lacking = new Map<string, Set<string>>();

  observe(exchanges: readonly AuditedRequest[]): void {
    for (const exchange of exchanges) {
      const namespace = measuredNamespace(exchange);
      if (this.at.has(namespace) || exchange.code >= 400) continue;
      const what = isQuotaStatus(exchange) ? exchange.what : isOperator(exchange) ? nameOf(exchange) : "";
      if (!needed.has(what)) continue;
      const lacking = this.#lacking.get(namespace) ?? new Set(needed);
      this.#lacking.set(namespace, lacking);
      lacking.delete(what);
      if (lacking.size === 0) this.at.set(namespace, exchange.done);
    }
  }
}

/** A namespace belongs to itself. */
export const measuredNamespace = ({ what, namespace, name }: AuditedRequest): string =>
  what === "namespaces" ? name : namespace;

const nameOf = ({ what, name }: AuditedRequest): string => what === "namespaces" ? "namespaces/" : `${what}/${name}`;
