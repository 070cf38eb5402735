/**
 * Files of the chart that are copies: roles, guards and the webhook's objects from deploy/kustomize, custom resources from
 * crds/. `deno task gen` writes the copies; CI fails if they differ.
 */
const root = new URL("..", import.meta.url);
const copies = ["rbac", "guest-role", "viewer-role", "guards", "guest-guards", "priority"];

/** Returns the files' contents by their paths from the project's root. */
export async function chartFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of copies) {
    const source = `deploy/kustomize/base/${name}.yaml`;
    files.set(`deploy/chart/templates/${name}.yaml`, heading(source) + withoutNamespace(await read(source)));
  }
  const webhook = "deploy/kustomize/webhook/webhook.yaml";
  files.set(
    "deploy/chart/templates/webhook.yaml",
    `${heading(webhook)}{{- if .Values.webhook.enabled }}\n${await read(webhook)}{{- end }}\n`,
  );
  let definitions = `${heading("crds/")}{{- if .Values.crds.install }}\n`;
  for (const name of await crdNames()) definitions += `---\n${kept(await read(`crds/${name}`))}`;
  files.set("deploy/chart/templates/crds.yaml", `${definitions}{{- end }}\n`);
  return files;
}

const read = async (path: string): Promise<string> => {
  const text = await Deno.readTextFile(new URL(path, root));
  if (text.includes("{{")) throw new Error(`${path} contains {{, which Helm would read as a template.`);
  return text;
};

async function crdNames(): Promise<string[]> {
  const names = [];
  for await (const { name } of Deno.readDir(new URL("crds/", root))) names.push(name);
  return names.sort();
}

const heading = (source: string): string =>
  `{{- /* A copy of ${source}, written by \`deno task gen\`: change it there. */ -}}\n`;

/** Removes the Namespace, because Helm creates the release's namespace itself. */
const withoutNamespace = (text: string): string =>
  text.split(/^---\n/m).filter((document) => !/^kind: Namespace$/m.test(document)).join("---\n");

/** Adds the annotation that keeps a definition on uninstall. As templates, unlike in crds/, `helm upgrade` updates them. */
function kept(definition: string): string {
  const text = definition.replace(/^ {2}annotations:\n/m, "  annotations:\n    helm.sh/resource-policy: keep\n");
  if (text === definition) throw new Error("A custom resource definition has no annotations to add to.");
  return text;
}
