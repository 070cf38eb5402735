/** All guards: one table for the policies, the page and the attacks. */
import type { Guard, Policy } from "./guard.ts";
import { endsPolicy } from "./ends.ts";
import { claimsPolicy, classesPolicy } from "./claims.ts";
import { metadataPolicy } from "./metadata.ts";
import { dataPolicy, secretsPolicy, servicesPolicy } from "./objects.ts";
import { devicesPolicy, podsPolicy } from "./pods.ts";
import { scalePolicy } from "./scale.ts";

export const policies: readonly Policy[] = [
  podsPolicy,
  devicesPolicy,
  endsPolicy,
  scalePolicy,
  servicesPolicy,
  claimsPolicy,
  classesPolicy,
  secretsPolicy,
  dataPolicy,
  metadataPolicy,
];

export const guards: readonly Guard[] = policies.flatMap(({ guards }) => guards);
