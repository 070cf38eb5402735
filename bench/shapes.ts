/** What is granted to whom in a measurement. */
import type { Grant, Realm } from "../src/api/client/keystone.io@v1alpha1.ts";
import { grantOf, realmOf, type TestCluster } from "../tests/fixtures/operator.ts";
import { inLanes } from "./lanes.ts";

export interface Shape {
  realms: number;
  grantsEach: number;
}

export const shapes = {
  wide: { realms: 1000, grantsEach: 1 },
  deep: { realms: 100, grantsEach: 100 },
  wide10k: { realms: 10_000, grantsEach: 1 },
} satisfies Record<string, Shape>;

export const grantsIn = ({ realms, grantsEach }: Shape): number => realms * grantsEach;

export const realmName = (index: number): string => `realm-${String(index).padStart(5, "0")}`;
export const grantName = (index: number, grant = 0): string => `${realmName(index)}-${String(grant).padStart(3, "0")}`;

export const hard = { "requests.cpu": "1", "requests.memory": "1Gi", "pods": "10" };

export const realmsOf = ({ realms }: Shape): Realm[] => Array.from({ length: realms }, (_, i) => realmOf(realmName(i)));

export const grantsOf = ({ realms, grantsEach }: Shape): Grant[] =>
  Array.from({ length: realms * grantsEach }, (_, n) => {
    const index = Math.floor(n / grantsEach);
    return grantOf({ name: grantName(index, n % grantsEach), to: realmName(index), hard });
  });

/** Creates all its Realms and Grants. */
export async function create(cluster: TestCluster, shape: Shape): Promise<void> {
  await inLanes(realmsOf(shape), (realm) => cluster.realms.create(realm));
  await inLanes(grantsOf(shape), (grant) => cluster.grants.create(grant));
}
