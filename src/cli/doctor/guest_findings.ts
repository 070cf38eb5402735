/** Checks that guests can make with their own rights: access, grants and room in their namespace. */
import { isApiError, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { type GrantSummary, isForbidden, lendingsOfGuest, relative } from "../grant_summary.ts";
import { type DoctorFinding, fail, ok, warn } from "./doctor_finding.ts";

const dayMs = 86_400_000;

/** Resources without which no further pod starts. */
const podKeys = ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods"];

export async function guestFindings(rest: RestClient, namespace: string, now: number): Promise<DoctorFinding[]> {
  try {
    const grants = await lendingsOfGuest(rest, namespace);
    if (grants.length === 0) return [withoutAccess(namespace)];
    return [ok("access", `You have access to ${namespace}.`), ...endsOf(grants, now), roomIn(grants)];
  } catch (error) {
    if (!isForbidden(error) && !isApiError(error, 404)) throw error;
    return [withoutAccess(namespace)];
  }
}

const withoutAccess = (namespace: string): DoctorFinding =>
  fail(
    "access",
    `You have no access to ${namespace}: no grant to it is in force, or you are none of its realm's subjects.`,
    "Ask the admin of the cluster to run: keystone explain grant NAME",
  );

function endsOf(grants: readonly GrantSummary[], now: number): DoctorFinding[] {
  const name = "grants";
  const ending = grants.filter(({ ends, message }) =>
    message.startsWith("On notice") || (ends !== undefined && Date.parse(ends) - now < dayMs)
  );
  if (ending.length === 0) {
    return [ok(name, `${grants.length} in force: ${grants.map((each) => each.name).join(", ")}.`)];
  }
  return ending.map(({ name: grant, ends, message }) =>
    warn(
      name,
      `Grant ${grant} ends ${ends === undefined ? "soon" : `at ${ends} (${relative(ends, now)})`}. ${message}`,
      "Save your data, or ask the grantor to extend it.",
    )
  );
}

/** Reports the resources without which no further pod starts. */
function roomIn(grants: readonly GrantSummary[]): DoctorFinding {
  const name = "room";
  const isNone = (key: string, amounts: "granted" | "free") => {
    const found = grants.flatMap((grant) => grant[amounts][key] ?? []);
    return found.length > 0 && found.every((amount) => parseQuantity(amount).sign() <= 0);
  };
  const absent = podKeys.filter((key) => isNone(key, "granted"));
  if (absent.length > 0) {
    return warn(
      name,
      `No grant includes ${absent.join(", ")}: no pod can start.`,
      "Ask the grantor for it: keystone grant list",
    );
  }
  const full = podKeys.filter((key) => isNone(key, "free"));
  return full.length === 0 ? ok(name, "There is room for further pods.") : warn(
    name,
    `Used up: ${full.join(", ")}. No further pod is admitted.`,
    "Delete or shrink a workload, or ask the grantor for more: keystone grant list",
  );
}
