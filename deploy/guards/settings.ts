/** How the owner's settings reach the guards: the operator keeps them as annotations of each guest namespace. */
import * as names from "../../src/core/names.ts";
import { type Cel, quoted } from "./guard.ts";

/** The value that an annotation of the guest namespace has; what isn't there is as strict as can be. */
const annotation = (key: string, otherwise: string): Cel =>
  `namespaceObject.metadata.?annotations[?${quoted(key)}].orValue(${quoted(otherwise)})`;

const listIn = (key: string): Cel => `${annotation(key, "")}.split(',').filter(entry, entry != '')`;

/** Variables of all policies. */
export const warned: readonly [string, Cel] = ["warned", listIn(names.warnAnnotation)];

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
