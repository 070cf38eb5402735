import { ExternalCluster } from "./external.ts";
import { type Lab, type LabOptions, openLab, startLab } from "./lab.ts";

/**
 * Returns the cluster that a test file runs on:
 *
 * - `KEYSTONE_LAB=external`: the cluster of `KUBECONFIG`. It has no parts to kill and no tailnet; tests that need those
 *   check `lab.owned` first.
 * - `KEYSTONE_LAB_DIR`: the lab that runs in this folder; it stays when the test ends. Missing realms are added.
 * - otherwise a new lab, which ends with `await using`.
 */
export async function sharedLab(
  options: LabOptions = {},
  /** The environment's variables. Default: this process's. */
  environment: Record<string, string> = Deno.env.toObject(),
): Promise<Lab | ExternalCluster> {
  if (environment.KEYSTONE_LAB === "external") return await ExternalCluster.open(environment);
  const dir = environment.KEYSTONE_LAB_DIR;
  if (!dir) return await startLab(options);
  const lab = await openLab(dir);
  if (options.node && lab.kubelet === undefined) {
    throw new Error(`The lab in ${dir} has no node. Start it with \`deno task lab up --node --dir ${dir}\`.`);
  }
  if (options.policy && lab.kubeRouter === undefined) {
    throw new Error(
      `The lab in ${dir} doesn't enforce NetworkPolicies. Start it with \`deno task lab up --node --policy --dir ${dir}\`.`,
    );
  }
  for (const name of options.realms ?? []) if (!(name in lab.realms)) await lab.addRealm(name);
  return lab;
}
