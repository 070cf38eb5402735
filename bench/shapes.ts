/** Shapes: the numbers of realms and grants in a measurement. */
import type { Grant, Realm } from "../src/api/client/keystone.io@v1alpha1.ts";
import { grantOf, realmOf, type TestCluster } from "../tests/fixtures/test_operator.ts";
import { withConcurrency } from "./with_concurrency.ts";

export interface BenchShape {
  realms: number;
  grantsEach: number;
}

export const shapes = {
  wide: { realms: 1000, grantsEach: 1 },
  deep: { realms: 100, grantsEach: 100 },
  wide10k: { realms: 10_000, grantsEach: 1 },
} satisfies Record<string, BenchShape>;

export const grantsIn = ({ realms, grantsEach }: BenchShape): number => realms * grantsEach;

export const shapeRealmName = (index: number): string => `realm-${String(index).padStart(5, "0")}`;
export const grantName = (index: number, grant = 0): string =>
  `${shapeRealmName(index)}-${String(grant).padStart(3, "0")}`;

export const shapeHard = { "requests.cpu": "1", "requests.memory": "1Gi", "pods": "10" };

export const shapeRealms = ({ realms }: BenchShape): Realm[] =>
  Array.from({ length: realms }, (_, i) => realmOf(shapeRealmName(i)));

export const shapeGrants = ({ realms, grantsEach }: BenchShape): Grant[] =>
  Array.from({ length: realms * grantsEach }, (_, n) => {
    const index = Math.floor(n / grantsEach);
    return grantOf({ name: grantName(index, n % grantsEach), to: shapeRealmName(index), hard: shapeHard });
  });

/** Creates all Realms and Grants of a shape. */
export async function createShape(cluster: TestCluster, shape: BenchShape): Promise<void> {
  await withConcurrency(shapeRealms(shape), (realm) => cluster.realms.create(realm));
  await withConcurrency(shapeGrants(shape), (grant) => cluster.grants.create(grant));
}
