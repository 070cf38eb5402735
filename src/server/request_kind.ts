/** What a request to the API server was for, in the words of RBAC: bounded, so it can label a metric. */

export interface RequestKind {
  verb: string;
  /** As in rules of roles: `pods`, `pods/eviction`, `grants/status`; `other` for what is no resource. */
  resource: string;
}

const verbs: Record<string, string> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };

/** From the method, the path without its query, and whether the answer is a stream, as of watches. */
export function requestKind({ method, path, stream }: { method: string; path: string; stream: boolean }): RequestKind {
  const [root, ...rest] = path.split("/").filter((part) => part !== "");
  let parts = root === "api" ? rest.slice(1) : root === "apis" ? rest.slice(2) : [];
  // /namespaces/NAME/pods is about pods, /namespaces/NAME and its subresources about the namespace.
  if (parts[0] === "namespaces" && parts.length > 2 && !["status", "finalize"].includes(parts[2]!)) {
    parts = parts.slice(2);
  }
  const [resource, name, subresource] = parts;
  // Of what is no resource, such as the API server's metrics, nothing is watched.
  const read = resource === undefined ? "get" : stream ? "watch" : name === undefined ? "list" : "get";
  return {
    verb: verbs[method] ?? read,
    resource: resource === undefined ? "other" : subresource === undefined ? resource : `${resource}/${subresource}`,
  };
}
