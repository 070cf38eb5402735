/** CEL variables with the owner's settings, which the operator writes as annotations on each guest namespace. */
import * as names from "../../src/core/names.ts";
import { type Cel, celList, type Guard, quoted } from "./guard.ts";

/** Returns the value of an annotation of the guest namespace, or the strictest value if it is missing. */
const annotation = (key: string, otherwise: string): Cel =>
  `namespaceObject.metadata.?annotations[?${quoted(key)}].orValue(${quoted(otherwise)})`;

const listIn = (key: string): Cel => `${annotation(key, "")}.split(',').filter(entry, entry != '')`;

/** Returns a variable of all policies: guards that only warn, by setting or because no operator of their revision runs. */
export function warned(guards: readonly Guard[]): readonly [string, Cel] {
  const revision = `int(${annotation(names.guardsAnnotation, "0")})`;
  const since = Object.groupBy(guards, ({ since = 1 }) => since);
  const notYet = Object.entries(since).filter(([first]) => Number(first) > 0).map(([first, guards]) =>
    ` + (${revision} < ${first} ? ${celList(guards!.map(({ name }) => name))} : [])`
  );
  return ["warned", listIn(names.warnAnnotation) + notYet.join("")];
}

/** Variables of the policy on pods. */
export const podSettings: readonly (readonly [string, Cel])[] = [
  ["maxPriority", `int(${annotation(names.maxPriorityAnnotation, "0")})`],
  ["maxGraceSeconds", `int(${annotation(names.maxGraceAnnotation, "3600")})`],
  ["maxHistory", `int(${annotation(names.maxHistoryAnnotation, "10")})`],
  ["runtimeClasses", listIn(names.runtimeClassesAnnotation)],
  ["runtimeClassRequired", `${annotation(names.runtimeClassRequiredAnnotation, "false")} == 'true'`],
  ["deviceRuntimeClasses", listIn(names.deviceRuntimeClassesAnnotation)],
  ["csiDrivers", listIn(names.csiDriversAnnotation)],
  ["schedulers", `['default-scheduler'] + ${listIn(names.schedulersAnnotation)}`],
  ["reservedTaints", listIn(names.reservedTaintsAnnotation)],
  ["alwaysPull", `${annotation(names.alwaysPullAnnotation, "false")} == 'true'`],
  ["imageRegistries", listIn(names.imageRegistriesAnnotation)],
  ["tokensRefused", `${annotation(names.podTokensAnnotation, "true")} == 'false'`],
];

/** Variables of the policy on metadata. */
export const keySettings: readonly (readonly [string, Cel])[] = [
  ["ownHarmless", listIn(names.harmlessKeysAnnotation)],
  ["ownDangerous", listIn(names.dangerousKeysAnnotation)],
];

export const loadBalancerClasses: readonly [string, Cel] = [
  "loadBalancerClasses",
  listIn(names.loadBalancerClassesAnnotation),
];
