/** Remedies that make an object in the cluster the shipped one again. */
import type { InstalledObject } from "./installed_objects.ts";
import { kubectlName } from "./installed_objects.ts";
import { type FieldDifference, isAddition } from "./object_difference.ts";

/** Command that installs the shipped objects of a part. */
export interface InstallCommands {
  base: string;
  webhook: string;
  definitions: string;
}

/** Commands for manifests applied by kubectl. */
export const byKubectl: InstallCommands = {
  base: "kubectl apply -k deploy/kustomize/base",
  webhook: "kubectl apply -k deploy/kustomize/webhook",
  definitions: "kubectl apply -f crds/",
};

/** Returns the commands of the installation that the objects belong to: by Helm, if Helm made any of them. */
export function installCommands(objects: readonly InstalledObject[]): InstallCommands {
  const release = objects.map(({ live }) => live?.metadata.annotations ?? {})
    .find((annotations) => annotations["meta.helm.sh/release-name"] !== undefined);
  if (release === undefined) return byKubectl;
  const name = release["meta.helm.sh/release-name"];
  const namespace = release["meta.helm.sh/release-namespace"];
  const helm = `helm upgrade ${name} deploy/chart --namespace ${namespace} --reuse-values`;
  return { base: helm, webhook: helm, definitions: helm };
}

/**
 * Returns the commands that make a differing object the shipped one. An installation leaves what others have added, so
 * that is removed by itself.
 */
export function restoreCommand({ shipped, differences }: InstalledObject, install: string): string {
  const added = differences.filter(isAddition).map(({ pointer }) => pointer).sort(backwards);
  const removal = added.length === 0 ? [] : [
    `kubectl patch ${kubectlName(shipped)} --type=json -p '${
      JSON.stringify(added.map((path) => ({ op: "remove", path })))
    }'`,
  ];
  return [...removal, ...(differences.every(isAddition) ? [] : [install])].join(" && ");
}

/** Orders the last entry of a list before the earlier ones, so that a removal moves no entry that is yet to go. */
function backwards(a: FieldDifference["pointer"], b: FieldDifference["pointer"]): number {
  return b.localeCompare(a, "en", { numeric: true });
}
