/** An image with only this machine's bash and its libraries, so that a pod starts directly with a script. */
import { runCommand } from "../lab/command.ts";
import { type Image, writeImage } from "../lab/lab_image.ts";
import type { Lab } from "../lab/lab.ts";

const BASH_IMAGE = "lab/bash:1";

/** Imports the image into the node. */
export async function importBash(lab: Lab): Promise<void> {
  const { stdout } = await runCommand("ldd", ["/bin/bash"]);
  const libraries = [...stdout.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(/gm)].map(([, path]) => path!);
  const loader = libraries.find((path) => /\/ld-/.test(path));
  if (loader === undefined) throw new Error(`no known loader for /bin/bash: ${stdout}`);
  const others = ["/bin/bash", ...libraries.filter((path) => path !== loader)];
  const image: Image = { names: [BASH_IMAGE], program: loader, others };
  const archive = `${lab.dir}/node/bash.tar`;
  writeImage(archive, image);
  await lab.importImages(archive);
  Deno.removeSync(archive);
}

/** Returns a guest's pod whose only process is the script. */
export function bashPod(metadata: { name: string; namespace: string }, script: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, labels: { app: "bash" } },
    spec: {
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      terminationGracePeriodSeconds: 0,
      restartPolicy: "Never",
      containers: [{
        name: "main",
        image: BASH_IMAGE,
        args: ["--library-path", "/", "/bash", "-c", script],
        resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { cpu: "1", memory: "16Mi" } },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      }],
    },
  });
}
