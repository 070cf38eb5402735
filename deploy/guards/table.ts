/** All guards: one table for the policies, the page and the attacks. */
import type { Guard, Policy } from "./guard.ts";
import { claimsPolicy, classesPolicy } from "./claims.ts";
import { metadataPolicy } from "./metadata.ts";
import { secretsPolicy, servicesPolicy } from "./objects.ts";
import { devicesPolicy, podsPolicy } from "./pods.ts";

export const policies: readonly Policy[] = [
  podsPolicy,
  devicesPolicy,
  servicesPolicy,
  claimsPolicy,
  classesPolicy,
  secretsPolicy,
  metadataPolicy,
];

export const guards: readonly Guard[] = policies.flatMap(({ guards }) => guards);
