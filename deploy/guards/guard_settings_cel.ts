/** How the owner's settings reach the guards: the operator keeps them as annotations of each guest namespace. */
import * as names from "../../src/core/names.ts";
import { type Cel, celList, type Guard, quoted } from "./guard.ts";

/** The value that an annotation of the guest namespace has; what isn't there is as strict as can be. */
const annotation = (key: string, otherwise: string): Cel =>
  `namespaceObject.metadata.?annotations[?${quoted(key)}].orValue(${quoted(otherwise)})`;

const listIn = (key: string): Cel => `${annotation(key, "")}.split(',').filter(entry, entry != '')`;

/** A variable of all policies: the guards that don't refuse, by setting or since their operator is yet to come. */
export function warned(guards: readonly Guard[]): readonly [string, Cel] {
  const revision = `int(${annotation(names.guardsAnnotation, "0")})`;
  const since = Object.groupBy(guards, ({ since = 1 }) => since);
  const notYet = Object.entries(since).filter(([first]) => Number(first) > 0).map(([first, guards]) =>
    ` + (${revision} < ${first} ? ${celList(guards!.map(({ name }) => name))} : [])`
  );
  return ["warned", listIn(names.warnAnnotation) + notYet.join("")];
}

/** Variables of the pods' policy. */
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

/** Variables of the metadata's policy. */
export const keySettings: readonly (readonly [string, Cel])[] = [
  ["ownHarmless", listIn(names.harmlessKeysAnnotation)],
  ["ownDangerous", listIn(names.dangerousKeysAnnotation)],
];

export const loadBalancerClasses: readonly [string, Cel] = [
  "loadBalancerClasses",
  listIn(names.loadBalancerClassesAnnotation),
];
