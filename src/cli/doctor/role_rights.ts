/** Rights of roles, one by one. */

/** A rule of a role. */
export interface Rule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** One right: a verb on one resource, or on one path. */
export interface Right {
  verb: string;
  group?: string;
  resource?: string;
  /** Only on the object of this name. */
  only?: string;
  path?: string;
}

/** Returns the rights that a rule gives, one by one. */
export function rightsOf(
  { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: Rule,
): Right[] {
  const names: { only?: string }[] = resourceNames.length === 0 ? [{}] : resourceNames.map((only) => ({ only }));
  return verbs.flatMap((verb) => [
    ...nonResourceURLs.map((path) => ({ verb, path })),
    ...apiGroups.flatMap((group) =>
      resources.flatMap((resource) => names.map((name) => ({ verb, group, resource, ...name })))
    ),
  ]);
}

/** Reports whether a right includes another one. */
function includes(given: Right, wanted: Right): boolean {
  const is = (a: string | undefined, b: string | undefined) => a === b || (a === "*" && b !== undefined);
  if (!is(given.verb, wanted.verb)) return false;
  if (wanted.path !== undefined) {
    return is(given.path, wanted.path) ||
      (given.path?.endsWith("*") === true && wanted.path.startsWith(given.path.slice(0, -1)));
  }
  return is(given.group, wanted.group) && is(given.resource, wanted.resource) &&
    (given.only === undefined || given.only === wanted.only);
}

/** Returns the right in words. */
export const inWordsOfRight = ({ verb, group, resource, only, path }: Right): string =>
  path !== undefined
    ? `${verb} ${path}`
    : `${verb} ${resource}${group === "" ? "" : `.${group}`}${only === undefined ? "" : ` (${only})`}`;

/** Returns the rights in `wanted` that `given` doesn't include, in words. */
export function missingRights(wanted: readonly Rule[], given: readonly Rule[]): string[] {
  const have = given.flatMap(rightsOf);
  return wanted.flatMap(rightsOf).filter((right) => !have.some((each) => includes(each, right))).map(inWordsOfRight);
}
