/** The table of all guards, for the policies, the page and the attacks. */
import type { Guard, Policy } from "./guard.ts";
import { accountsPolicy } from "./account_guards.ts";
import { endsPolicy } from "./ends.ts";
import { claimsPolicy, classesPolicy } from "./claims.ts";
import { metadataPolicy } from "./metadata.ts";
import { dataPolicy, secretsPolicy, servicesPolicy } from "./objects.ts";
import { devicesPolicy, podsPolicy } from "./pod_guards.ts";
import { scalePolicy } from "./scale.ts";

export const guardPolicies: readonly Policy[] = [
  podsPolicy,
  devicesPolicy,
  endsPolicy,
  scalePolicy,
  servicesPolicy,
  claimsPolicy,
  classesPolicy,
  secretsPolicy,
  accountsPolicy,
  dataPolicy,
  metadataPolicy,
];

export const guards: readonly Guard[] = guardPolicies.flatMap(({ guards }) => guards);
