/** Checks the rights of the operator, of guests and of viewers: the roles and bindings are as shipped. */
import { type DoctorFinding, fail, ok, someOf, warn } from "./doctor_finding.ts";
import { installedName, type InstalledObject, kubectlName } from "./installed_objects.ts";
import { restoreCommand } from "./restore_command.ts";
import { differencesOf, inWords } from "./object_difference.ts";
import { guestRole, operatorName } from "../../core/names.ts";

const name = "roles";

interface Rule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** One right: a verb on one resource, or on one path. */
interface Right {
  verb: string;
  group?: string;
  resource?: string;
  /** Only on the object of this name. */
  only?: string;
  path?: string;
}

/** Returns the rights that a rule gives, one by one. */
function rightsOf({ verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: Rule): Right[] {
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

const inWordsOfRight = ({ verb, group, resource, only, path }: Right): string =>
  path !== undefined
    ? `${verb} ${path}`
    : `${verb} ${resource}${group === "" ? "" : `.${group}`}${only === undefined ? "" : ` (${only})`}`;

/** Returns the rights in `wanted` that `given` doesn't include, in words. */
export function missingRights(wanted: readonly Rule[], given: readonly Rule[]): string[] {
  const have = given.flatMap(rightsOf);
  return wanted.flatMap(rightsOf).filter((right) => !have.some((each) => includes(each, right))).map(inWordsOfRight);
}

const kinds = new Set(["ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "ServiceAccount", "Namespace"]);

/** Compares roles, bindings and accounts with the shipped ones. */
export function roleFindings(installed: readonly InstalledObject[], install: string): DoctorFinding[] {
  return installed.filter(({ shipped }) => kinds.has(shipped.kind)).flatMap((each) => findingsOf(each, install));
}

function findingsOf(installed: InstalledObject, install: string): DoctorFinding[] {
  const { shipped, live } = installed;
  const whose = installedName(shipped);
  const isViewers = shipped.metadata.name === "keystone-viewer";
  if (live === undefined) {
    const report = isViewers ? warn : fail;
    return [report(name, `${whose} does not exist: ${consequenceOf(installed)}.`, install)];
  }
  if (shipped.kind === "ServiceAccount" || shipped.kind === "Namespace") return [];
  const found: DoctorFinding[] = [];
  if ("rules" in shipped) {
    const [wanted, given] = [shipped.rules as Rule[], (live.rules ?? []) as Rule[]];
    const missing = missingRights(wanted, given);
    const added = missingRights(given, wanted);
    if (missing.length > 0) {
      found.push((isViewers ? warn : fail)(
        name,
        `${whose} lacks ${someOf(missing)}: ${consequenceOf(installed)}.`,
        install,
      ));
    }
    if (added.length > 0) {
      const report = shipped.metadata.name === guestRole ? fail : warn;
      found.push(report(name, `${whose} gives more than it was shipped with: ${someOf(added)}.`, install));
    }
  }
  const { rules: _, ...rest } = shipped;
  const { rules: _live, ...others } = live;
  const content = ({ roleRef, subjects, aggregationRule }: Record<string, unknown>) => ({
    ...(roleRef ? { roleRef } : {}),
    ...(subjects ? { subjects: withoutDefaults(subjects) } : {}),
    ...(aggregationRule ? { aggregationRule } : {}),
  });
  const differences = differencesOf(content(rest), content(others));
  if (differences.length > 0) {
    // A binding's role can't be changed.
    const remade = differences.some(({ field }) => field.startsWith("roleRef"));
    found.push(fail(
      name,
      `${whose} was changed: ${someOf(differences.map(inWords), 3)}: ${consequenceOf(installed)}.`,
      remade
        ? `kubectl delete ${kubectlName(shipped)} && ${install}`
        : restoreCommand({ ...installed, differences }, install),
    ));
  }
  return found;
}

/** Returns subjects without the API group that the API server adds. */
const withoutDefaults = (subjects: unknown): unknown =>
  (subjects as { apiGroup?: string }[]).map(({ apiGroup: _, ...subject }) => subject);

function consequenceOf({ shipped }: InstalledObject): string {
  const { metadata: { name }, kind } = shipped;
  if (name === guestRole) return "guests can't do what they should, or more than that";
  if (name === operatorName || kind === "Namespace") return "the operator can't do its work, and grants may not end";
  if (name.startsWith("keystone-viewer")) return "commands that only read may not work for viewers";
  return "the admission webhook can't do its work";
}

export const rolesHold = (): DoctorFinding =>
  ok(name, "The rights of the operator, of guests and of viewers are as shipped.");
