/** The second wall of the tailnet server, beside RBAC: paths of the API server that a guest's requests may have. */

/** The guest for whom a request is sent. */
export interface PathScope {
  realm: string;
  /** The guest namespace. */
  namespace: string;
  /** Names of the grants to the realm. */
  grants: readonly string[];
}

const keystone = "/apis/keystone.io/v1alpha1";
const reading: ReadonlySet<string> = new Set(["GET", "HEAD"]);
const writing: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

const group = "[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?";
const version = "[a-z][a-z0-9-]*";

const discovery = new RegExp(
  `^/(?:version|api|apis|openapi/v2|openapi/v3|api/v1|apis/${group}|apis/${group}/${version}` +
    `|openapi/v3/(?:version|api|apis|api/v1|apis/${group}|apis/${group}/${version}))$`,
);
const selfReviews = new RegExp(
  `^/apis/(?:authorization\\.k8s\\.io/${version}/selfsubject(?:access|rules)reviews` +
    `|authentication\\.k8s\\.io/${version}/selfsubjectreviews)$`,
);
/** Groups: namespace, resource, name, subresource. */
const namespaced = new RegExp(
  `^/(?:api/v1|apis/${group}/${version})/namespaces/([a-z0-9-]+)/([a-z][a-z0-9-]*)(?:/(?!\\.{1,2}(?:/|$))([A-Za-z0-9._:~@+=,-]+)(?:/([a-z]+))?)?$`,
);

/** Subresources of the namespace itself, and namespaces, in the place of a resource in the path. */
const namespaceParts: ReadonlySet<string> = new Set(["finalize", "status", "namespaces"]);
/**
 * Subresources that hand out an identity or the cluster's network, or that change a pod around its quota. Answers of
 * `proxy` would also be pages of this server, for a browser.
 */
const refusedParts: ReadonlySet<string> = new Set(["proxy", "token", "binding", "ephemeralcontainers"]);

/**
 * Returns a sentence if a request may not be sent, undefined if it may.
 *
 * @param path path on the API server, without a query and not encoded
 * @param query text after the question mark
 */
export function refusedPath(method: string, path: string, scope: PathScope, query = ""): string | undefined {
  const isRead = reading.has(method);
  if (!isRead && !writing.has(method)) return `The method ${method} is not allowed.`;
  if (isOwnObject(path, scope) || (isRead && isOwnList(path, query, scope)) || discovery.test(path)) {
    return isRead ? undefined : `${path} can only be read, not changed.`;
  }
  if (selfReviews.test(path)) return method === "POST" ? undefined : `${path} accepts only POST.`;
  const [, namespace, resource, , part] = namespaced.exec(path) ?? [];
  if (namespace === undefined || namespaceParts.has(resource!)) {
    return `${shown(path)} is not served here; ${served(scope)}`;
  }
  if (namespace !== scope.namespace) return `The namespace ${shown(namespace)} is not served here; ${served(scope)}`;
  if (part !== undefined && refusedParts.has(part)) return `The subresource ${part} is not served here.`;
  return undefined;
}

/** Reports whether a path is the guest namespace, the realm, or a grant to it. */
function isOwnObject(path: string, { realm, namespace, grants }: PathScope): boolean {
  return path === `/api/v1/namespaces/${namespace}` || path === `${keystone}/realms/${realm}` ||
    grants.some((grant) => path === `${keystone}/grants/${grant}`);
}

/**
 * Reports whether a request lists or watches one own object by name, as `kubectl get NAME --watch` and `kubectl wait` do.
 * The query has to have the selector once, as kubectl writes it, so that the API server can't read another one.
 */
function isOwnList(path: string, query: string, { realm, grants }: PathScope): boolean {
  const names = path === `${keystone}/grants` ? grants : path === `${keystone}/realms` ? [realm] : [];
  const parameters = query.split("&").map((each) => each.split("=", 1)[0]!);
  if (!parameters.every((name) => /^[A-Za-z]+$/.test(name))) return false;
  const selectors = query.split("&").filter((each) => each.toLowerCase().startsWith("fieldselector"));
  return selectors.length === 1 &&
    names.some((name) => selectors[0]!.replace("%3D", "=") === `fieldSelector=metadata.name=${name}`);
}

const served = ({ realm, namespace }: PathScope): string =>
  `for the realm ${realm} these are: discovery, the namespace ${namespace}, and its own Realm and Grants by name, ` +
  "if a role of the lender allows it.";

const shown = (text: string): string => text.length > 100 ? `${text.slice(0, 100)}…` : text;
