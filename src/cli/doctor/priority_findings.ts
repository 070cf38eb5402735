/** Checks the priority levels of guests' and the operator's requests. */
import { type DoctorFinding, ok, someOf, warn } from "./doctor_finding.ts";
import { installedName, type InstalledObject } from "./installed_objects.ts";
import { type InstallCommands, restoreCommand } from "./restore_command.ts";
import { inWords } from "./object_difference.ts";

const name = "priority";
const consequence = "many requests of guests can delay those of others";

export function priorityFindings(installed: readonly InstalledObject[], { base }: InstallCommands): DoctorFinding[] {
  const levels = installed.filter(({ shipped }) => shipped.apiVersion.startsWith("flowcontrol.apiserver.k8s.io/"));
  const found = levels.flatMap((each) => {
    const what = installedName(each.shipped);
    if (each.live === undefined) return [warn(name, `${what} does not exist: ${consequence}.`, base)];
    if (each.differences.length === 0) return [];
    const words = someOf(each.differences.map(inWords), 3);
    return [warn(name, `${what} was changed: ${words}: ${consequence}.`, restoreCommand(each, base))];
  });
  if (found.length > 0 || levels.length === 0) return found;
  return [ok(name, "The priority levels of requests are as shipped.")];
}
