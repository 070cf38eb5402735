/** What a request is called, the same in each run: `patch.grants.status:one`. */

/** What the marks of all plans begin with. */
export const markPrefix = "-plan-";

const verbs: Readonly<Record<string, string>> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };

/**
 * `verb.resource[.subresource][:name]`, as RBAC has them. The name is the object's, else the namespace's; what tells the
 * names of one plan from those of another, its mark, is taken out.
 */
export function requestName(method: string, url: URL, mark: string): string {
  const [root, ...parts] = url.pathname.slice(1).split("/");
  if (root !== "api" && root !== "apis") return `get.${root}`;
  const rest = parts.slice(root === "api" ? 1 : 2);
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest.splice(0, 2)[1] : undefined;
  const [resource, name, subresource] = rest;
  // The names of events are made up.
  const about = resource === "events" ? namespace : name ?? namespace;
  const collection = url.searchParams.has("watch") ? "watch" : "list";
  return [
    verbs[method] ?? (name === undefined ? collection : "get"),
    `.${resource}`,
    subresource === undefined ? "" : `.${subresource}`,
    about === undefined ? "" : `:${about.replaceAll(mark, "")}`,
  ].join("");
}

/** Whether it writes, so that what was done of it matters. */
export const isWrite = (name: string): boolean => /^(create|update|patch|delete)\./.test(name);

/** Whether it is about the Lease, which is written for as long as an operator lives. */
export const isLease = (name: string): boolean => /\.leases\b/.test(name);
