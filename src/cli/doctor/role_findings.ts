/** Checks the rights of the operator, of guests and of viewers: the roles and bindings are as shipped. */
import { type DoctorFinding, fail, ok, someOf, warn } from "./doctor_finding.ts";
import { installedName, type InstalledObject, kubectlName } from "./installed_objects.ts";
import { restoreCommand } from "./restore_command.ts";
import { differencesOf, type FieldDifference, inWords } from "./object_difference.ts";
import { missingRights, type Rule } from "./role_rights.ts";
import { guestRole, operatorName } from "../../core/names.ts";

const name = "roles";

const kinds = new Set(["ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "ServiceAccount", "Namespace"]);

/** Compares roles, bindings and accounts with the shipped ones. */
export function roleFindings(installed: readonly InstalledObject[], install: string): DoctorFinding[] {
  return installed.filter(({ shipped }) => kinds.has(shipped.kind)).flatMap((each) => findingsOf(each, install));
}

function findingsOf(installed: InstalledObject, install: string): DoctorFinding[] {
  const { shipped, live } = installed;
  const whose = installedName(shipped);
  const isViewers = shipped.metadata.name === "keystone-viewer";
  const consequence = consequenceOf(installed);
  const remedy = roleRemedy(installed, install);
  if (remedy === undefined) return [];
  if (live === undefined) return [(isViewers ? warn : fail)(name, `${whose} does not exist: ${consequence}.`, remedy)];
  const { missing, added, changed } = changesOf(installed);
  const found: DoctorFinding[] = [];
  if (missing.length > 0) {
    found.push((isViewers ? warn : fail)(name, `${whose} lacks ${someOf(missing)}: ${consequence}.`, remedy));
  }
  if (added.length > 0) {
    const report = shipped.metadata.name === guestRole ? fail : warn;
    found.push(report(name, `${whose} gives more than it was shipped with: ${someOf(added)}.`, remedy));
  }
  if (changed.length > 0) {
    const words = someOf(changed.map(inWords), 3);
    found.push(fail(name, `${whose} was changed: ${words}: ${consequence}.`, remedy));
  }
  return found;
}

/** Differences of a role or binding to the shipped one. */
interface RoleChanges {
  /** Rights that a role lacks, and those that it has in addition, in words. */
  missing: string[];
  added: string[];
  changed: FieldDifference[];
}

function changesOf({ shipped, live = shipped }: InstalledObject): RoleChanges {
  if (shipped.kind === "ServiceAccount" || shipped.kind === "Namespace") return { missing: [], added: [], changed: [] };
  const content = ({ roleRef, subjects, aggregationRule }: Record<string, unknown>) => ({
    ...(roleRef ? { roleRef } : {}),
    ...(subjects ? { subjects: withoutDefaults(subjects) } : {}),
    ...(aggregationRule ? { aggregationRule } : {}),
  });
  const [wanted, given] = [shipped.rules, live.rules].map((rules) => (rules ?? []) as Rule[]) as [Rule[], Rule[]];
  return {
    missing: missingRights(wanted, given),
    added: missingRights(given, wanted),
    changed: differencesOf(content(shipped), content(live)),
  };
}

/** Returns the command that makes the object the shipped one again; undefined if it is that. */
export function roleRemedy(installed: InstalledObject, install: string): string | undefined {
  const { shipped, live } = installed;
  if (live === undefined) return install;
  const { missing, added, changed } = changesOf(installed);
  // A binding's role can't be changed.
  if (changed.some(({ field }) => field.startsWith("roleRef"))) {
    return `kubectl delete ${kubectlName(shipped)} && ${install}`;
  }
  // An aggregation rule goes first: a controller would write the role's rules by it again.
  const rules = missing.length + added.length > 0
    ? [{ pointer: "/rules", field: "rules", live: live.rules ?? [], shipped: shipped.rules }]
    : [];
  const differences = [...changed, ...rules];
  return differences.length === 0 ? undefined : restoreCommand({ ...installed, differences }, install);
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
