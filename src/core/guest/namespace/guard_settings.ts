/**
 * Settings of the guards as annotations of a guest namespace, the only place where admission policies can read them.
 */
import { guardsRevision, type Settings, type TrustRules } from "../../../api/mod.ts";
import * as names from "../../names.ts";

const list = (entries: readonly string[]): string => [...new Set(entries)].sort().join(",");

/** Returns the annotations that the policies read by `namespaceObject`; a missing one means the strictest setting. */
export function guardSettings({ guards, maxPriority }: Settings, rules: TrustRules): Record<string, string> {
  const pairs = Object.entries(guards.deviceRuntimeClasses).flatMap(([runtimeClass, resources]) =>
    resources.map((resource) => `${runtimeClass}=${resource}`)
  );
  return {
    [names.guardsAnnotation]: String(guardsRevision),
    [names.maxPriorityAnnotation]: String(maxPriority),
    [names.maxGraceAnnotation]: String(guards.maxTerminationGraceSeconds),
    [names.maxHistoryAnnotation]: String(rules.history),
    [names.runtimeClassesAnnotation]: list(rules.runtimeClasses),
    [names.runtimeClassRequiredAnnotation]: String(rules.runtimeClassRequired),
    [names.deviceRuntimeClassesAnnotation]: list(pairs),
    [names.csiDriversAnnotation]: list(guards.csiDrivers),
    [names.schedulersAnnotation]: list(guards.schedulers),
    [names.reservedTaintsAnnotation]: list(guards.reservedTaints),
    [names.podTokensAnnotation]: String(rules.podTokens),
    [names.alwaysPullAnnotation]: String(rules.alwaysPullImages),
    ...(rules.imageRegistries.length > 0 ? { [names.imageRegistriesAnnotation]: list(rules.imageRegistries) } : {}),
    [names.loadBalancerClassesAnnotation]: list(guards.loadBalancerClasses),
    // Keys are compared in lower case.
    [names.harmlessKeysAnnotation]: list(guards.harmlessKeys.map((key) => key.toLowerCase())),
    [names.dangerousKeysAnnotation]: list(guards.dangerousKeys.map((key) => key.toLowerCase())),
    [names.warnAnnotation]: list([...guards.warn, ...(rules.unknownKeys === "warn" ? ["unknown-keys"] : [])]),
  };
}
