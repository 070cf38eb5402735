/** Verb and resource of a request to the API server, as RBAC rules and its audit log name them. */

export interface ApiRequest {
  verb: string;
  /** Resource with its subresource, such as `pods/log`; for other paths the path itself. */
  resource: string;
  namespace?: string;
  name?: string;
}

const byMethod: Readonly<Record<string, string>> = {
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/**
 * Parses method, path and query.
 *
 * ```ts
 * import { apiRequest } from "./api_request.ts";
 * import { deepEqual } from "node:assert/strict";
 * deepEqual(apiRequest("GET", "/api/v1/namespaces/guest-bob/pods/web/log", "follow=true"), {
 *   verb: "get",
 *   resource: "pods/log",
 *   namespace: "guest-bob",
 *   name: "web",
 * });
 * ```
 */
export function apiRequest(method: string, path: string, query = ""): ApiRequest {
  const parts = path.split("/").filter((part) => part !== "");
  const rest = parts[0] === "api" ? parts.slice(2) : parts[0] === "apis" ? parts.slice(3) : [];
  if (rest.length === 0) return { verb: method.toLowerCase(), resource: path };
  // `namespaces/x` alone is the namespace itself.
  const isInNamespace = rest[0] === "namespaces" && rest.length > 2;
  const [resource, name, ...sub] = isInNamespace ? rest.slice(2) : rest;
  const isWatch = /(^|&)watch=(1|true)(&|$)/.test(query);
  const isRead = method === "GET" || method === "HEAD";
  const verb = isRead
    ? isWatch ? "watch" : name === undefined ? "list" : "get"
    : method === "DELETE" && name === undefined
    ? "deletecollection"
    : byMethod[method] ?? method.toLowerCase();
  return {
    verb,
    resource: [resource, ...sub].join("/"),
    ...(isInNamespace ? { namespace: rest[1]! } : {}),
    ...(name === undefined ? {} : { name }),
  };
}

/** Reports whether a path is one of discovery or another one without a resource. */
export const isDiscovery = (path: string): boolean => apiRequest("GET", path).resource === path;
