/** Checks that each CustomResourceDefinition is there, established and as shipped. */
import { revisionAnnotation } from "../../api/mod.ts";
import { type DoctorFinding, fail, ok, someOf, warn } from "./doctor_finding.ts";
import type { InstalledObject } from "./installed_objects.ts";
import { type InstallCommands, restoreCommand } from "./restore_command.ts";
import { inWords } from "./object_difference.ts";

const name = "crds";

interface Status {
  conditions?: { type: string; status: string; message?: string }[];
}

const revisionOf = (object: InstalledObject["shipped"]): number =>
  Number(object.metadata.annotations?.[revisionAnnotation] ?? 0);

export function definitionFindings(
  installed: readonly InstalledObject[],
  { definitions }: InstallCommands,
): DoctorFinding[] {
  return installed.map((each) => findingOf(each, definitions));
}

function findingOf(installed: InstalledObject, install: string): DoctorFinding {
  const { shipped, live, differences } = installed;
  const crd = shipped.metadata.name;
  if (live === undefined) return fail(name, `${crd} is missing.`, install);
  const [has, needs] = [revisionOf(live), revisionOf(shipped)];
  const { conditions = [] } = (live.status ?? {}) as Status;
  const established = conditions.find(({ type }) => type === "Established");
  if (established?.status !== "True") {
    return fail(name, `${crd} is not established${established?.message ? `: ${established.message}` : ""}.`, install);
  }
  if (has < needs) return fail(name, `${crd} has revision ${has}; this version needs ${needs}.`, install);
  if (has > needs) {
    return warn(
      name,
      `${crd} has revision ${has}, which is newer than this command (${needs}): its schema was not compared.`,
      "Use the keystone command of the installed version.",
    );
  }
  if (differences.length > 0) {
    const words = someOf(differences.map(inWords), 3);
    return fail(name, `${crd} was changed: ${words}.`, restoreCommand(installed, install));
  }
  return ok(name, `${crd} has revision ${has}.`);
}
