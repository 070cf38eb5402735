import { dirname } from "node:path";

/**
 * Returns the line that puts the lab's kubectl into PATH; undefined if this machine has one.
 *
 * @param kubectl path of the lab's
 */
export function kubectlLine(kubectl: string, path: string = Deno.env.get("PATH") ?? ""): string | undefined {
  const isThere = path.split(":").filter(Boolean).some((folder) => {
    try {
      return Deno.statSync(`${folder}/kubectl`).isFile;
    } catch {
      return false;
    }
  });
  return isThere ? undefined : `export PATH="${dirname(kubectl)}:$PATH"`;
}
