/** Names of requests, the same in each run, e.g. `patch.grants.status:one`. */

/** The prefix of all plans' marks. */
export const markPrefix = "-plan-";

const verbs: Readonly<Record<string, string>> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };

/**
 * Returns `verb.resource[.subresource][:name]`, in RBAC's terms. The name is the object's, else the namespace's,
 * without the mark, which distinguishes the names of different plans.
 */
export function requestName(method: string, url: URL, mark: string): string {
  const [root, ...parts] = url.pathname.slice(1).split("/");
  if (root !== "api" && root !== "apis") return `get.${root}`;
  const rest = parts.slice(root === "api" ? 1 : 2);
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest.splice(0, 2)[1] : undefined;
  const [resource, name, subresource] = rest;
  if (resource === undefined) return `get.${root}`;
  // The names of events are generated.
  const about = resource === "events" ? namespace : name ?? namespace;
  const collection = url.searchParams.has("watch") ? "watch" : "list";
  return [
    verbs[method] ?? (name === undefined ? collection : "get"),
    `.${resource}`,
    subresource === undefined ? "" : `.${subresource}`,
    about === undefined ? "" : `:${about.replaceAll(mark, "")}`,
  ].join("");
}

/** Reports whether it is a write, so that it matters whether it was performed. */
export const isWrite = (name: string): boolean => /^(create|update|patch|delete)\./.test(name);

/** Reports whether it is about the Lease, which an operator writes as long as it lives. */
export const isLease = (name: string): boolean => /\.leases\b/.test(name);
