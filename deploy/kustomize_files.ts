/**
 * Files of deploy/kustomize that are rendered from the chart, so that both install the same: the workload of each overlay, and
 * the Job that uninstalls. `deno task gen --chart` writes them with Helm; a test fails if they differ.
 */
import { dump, loadAll } from "js-yaml";

const root = new URL("..", import.meta.url).pathname;

/** Chart values of each overlay. */
const overlays: Record<string, Record<string, unknown>> = {
  tailscale: { realm: "alice-home" },
  headscale: { realm: "alice-home", tailscale: { loginServer: "https://headscale.example.com" } },
  "host-tailscale": { realm: "alice-home", tailscale: { hostSocket: "/var/run/tailscale" } },
  "no-tailnet": { realm: "alice-home", tailscale: { enabled: false } },
};

/** The used fields of a rendered object. */
export interface ManifestFile {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> };
  [field: string]: unknown;
}

/** Renders the chart with these values. `helm` is the path of the program, `namespace` the release's namespace. */
export async function render(
  helm: string,
  values: unknown,
  { namespace = "keystone-system", chart = `${root}deploy/chart` }: { namespace?: string; chart?: string } = {},
): Promise<ManifestFile[]> {
  const child = new Deno.Command(helm, {
    args: ["template", "keystone", chart, `--namespace=${namespace}`, "--values=-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(values)));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
  return loadAll(new TextDecoder().decode(stdout)).filter((object) => object !== null) as unknown as ManifestFile[];
}

const isHook = ({ metadata }: ManifestFile): boolean => metadata.annotations?.["helm.sh/hook"] !== undefined;

/** Returns the files' contents by their paths from the project's root. */
export async function kustomizeFiles(helm: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const base = new Set<string>();
  for (
    const name of [
      "base/rbac",
      "base/guest-role",
      "base/viewer-role",
      "base/guards",
      "base/guest-guards",
      "base/priority",
      "webhook/webhook",
    ]
  ) {
    const text = await Deno.readTextFile(`${root}deploy/kustomize/${name}.yaml`);
    for (const object of loadAll(text) as unknown as ManifestFile[]) base.add(keyOf(object));
  }
  for (const [name, values] of Object.entries(overlays)) {
    const objects = (await render(helm, values)).filter((object) =>
      !isHook(object) && object.kind !== "CustomResourceDefinition" && !base.has(keyOf(object))
    );
    files.set(`deploy/kustomize/overlays/${name}/workload.yaml`, textOf(objects));
  }
  const hooks = (await render(helm, overlays["no-tailnet"])).filter(isHook).map(({ metadata, ...object }) => {
    const { annotations: _, ...rest } = metadata;
    return { ...object, metadata: rest } as ManifestFile;
  });
  files.set("deploy/kustomize/uninstall/job.yaml", textOf(hooks));
  return files;
}

const keyOf = ({ kind, metadata }: ManifestFile): string => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;

const textOf = (objects: readonly ManifestFile[]): string =>
  `# Rendered from deploy/chart by \`deno task gen --chart\`: change it there.\n${
    objects.map(({ apiVersion, kind, metadata, ...rest }) =>
      dump({ apiVersion, kind, metadata, ...rest }, { lineWidth: 120, noRefs: true })
    ).join("---\n")
  }`;
