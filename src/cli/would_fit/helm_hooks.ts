/** Helm hooks: objects that Helm creates before or after the rest, or only when it is asked to. */
import type { Manifest } from "../manifests.ts";

/** The time at which an object is there. */
export type HelmPhase = "before" | "main" | "after" | "asked";

export interface HelmHook {
  phase: Exclude<HelmPhase, "main">;
  /** The time, in words: `before the rest`. */
  runs: string;
  weight: number;
  /** True if Helm deletes an earlier object of the name first. */
  replaces: boolean;
  /** True if Helm deletes it when it has succeeded. */
  goes: boolean;
}

const annotation = "helm.sh/hook";

const annotationsOf = (manifest: Manifest): Record<string, unknown> =>
  (manifest.metadata as { annotations?: Record<string, unknown> | null } | undefined)?.annotations ?? {};

const listOf = (value: unknown): string[] => String(value).split(",").map((each) => each.trim()).filter(Boolean);

/** Reports whether Helm creates the object as a hook. */
export const isHook = (manifest: Manifest): boolean => annotationsOf(manifest)[annotation] !== undefined;

/**
 * Returns the object's hook; undefined if it is an ordinary object.
 *
 * @param upgrade true if the release is there already, so that Helm runs the hooks of an upgrade
 */
export function hookOf(manifest: Manifest, upgrade: boolean): HelmHook | undefined {
  const annotations = annotationsOf(manifest);
  if (annotations[annotation] === undefined) return undefined;
  const events = listOf(annotations[annotation]);
  const policies = listOf(annotations["helm.sh/hook-delete-policy"] ?? "before-hook-creation");
  const operation = upgrade ? "upgrade" : "install";
  const [phase, runs] = timeOf(events, operation);
  return {
    phase,
    runs,
    weight: Number(annotations["helm.sh/hook-weight"] ?? 0) || 0,
    replaces: policies.includes("before-hook-creation"),
    goes: policies.includes("hook-succeeded"),
  };
}

function timeOf(events: readonly string[], operation: string): [HelmHook["phase"], string] {
  if (events.includes(`pre-${operation}`)) return ["before", "Helm runs it before the rest"];
  if (events.includes(`post-${operation}`)) return ["after", "Helm runs it after the rest"];
  if (events.some((event) => event === "test" || event === "test-success")) {
    return ["asked", "only when asked: helm test"];
  }
  const later = events.map((event) => event.match(/^(?:pre|post)-(install|upgrade|delete|rollback)$/)?.[1])
    .find((each) => each !== undefined);
  if (later !== undefined) return ["asked", `only when asked: helm ${later === "delete" ? "uninstall" : later}`];
  return ["asked", `Helm skips it: ${events.join(", ") || "nothing"} is no hook`];
}

/** Returns the order in which Helm runs the hooks of one phase. */
export const inHelmOrder = (
  a: { hook: HelmHook; name: string },
  b: { hook: HelmHook; name: string },
): number => a.hook.weight - b.hook.weight || (a.name < b.name ? -1 : 1);
