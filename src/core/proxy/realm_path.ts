/** Paths of the API server on the tailnet server: `/k8s/<realm>/…`. */

/** Returns the realm and the API server's path; undefined for any other path. */
export function realmPath(path: string): { realm: string; path: string } | undefined {
  const [, realm, rest] = /^\/k8s\/([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(\/.*)?$/.exec(path) ?? [];
  return realm === undefined ? undefined : { realm, path: rest ?? "/" };
}
