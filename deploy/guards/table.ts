/** All guards: one table for the policies, the page and the attacks. */
import type { Guard, Policy } from "./guard.ts";
import { claimsPolicy, secretsPolicy, servicesPolicy } from "./objects.ts";
import { devicesPolicy, podsPolicy } from "./pods.ts";

export const policies: readonly Policy[] = [podsPolicy, devicesPolicy, servicesPolicy, claimsPolicy, secretsPolicy];

export const guards: readonly Guard[] = policies.flatMap(({ guards }) => guards);
