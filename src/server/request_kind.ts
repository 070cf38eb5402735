/** Classifies requests to the API server in RBAC terms; the values are bounded, so they can label a metric. */

export interface RequestKind {
  verb: string;
  /** As in rules of roles: `pods`, `pods/eviction`, `grants/status`; `other` if it is no resource. */
  resource: string;
}

const verbs: Record<string, string> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };

/** Classifies a request by its method, its path without the query, and if the response is a stream (a watch). */
export function requestKind({ method, path, stream }: { method: string; path: string; stream: boolean }): RequestKind {
  const [root, ...rest] = path.split("/").filter((part) => part !== "");
  let parts = root === "api" ? rest.slice(1) : root === "apis" ? rest.slice(2) : [];
  // /namespaces/NAME/pods is about pods; /namespaces/NAME and its subresources are about the namespace.
  if (parts[0] === "namespaces" && parts.length > 2 && !["status", "finalize"].includes(parts[2]!)) {
    parts = parts.slice(2);
  }
  const [resource, name, subresource] = parts;
  // A path that is no resource, such as the API server's metrics, can't be watched.
  const read = resource === undefined ? "get" : stream ? "watch" : name === undefined ? "list" : "get";
  return {
    verb: verbs[method] ?? read,
    resource: resource === undefined ? "other" : subresource === undefined ? resource : `${resource}/${subresource}`,
  };
}
