/**
 * What of the chart has its source elsewhere: roles, guards and the webhook's place in deploy/kustomize, custom resources in crds/.
 * `deno task gen` writes the copies, CI fails on a difference.
 */
const root = new URL("..", import.meta.url);
const copies = ["rbac", "guest-role", "viewer-role", "guards", "guest-guards", "priority"];

/** Paths from the project's root, and what has to be there. */
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
  if (text.includes("{{")) throw new Error(`${path} has {{, which Helm would take for a template.`);
  return text;
};

async function crdNames(): Promise<string[]> {
  const names = [];
  for await (const { name } of Deno.readDir(new URL("crds/", root))) names.push(name);
  return names.sort();
}

const heading = (source: string): string =>
  `{{- /* A copy of ${source}, written by \`deno task gen\`: change it there. */ -}}\n`;

/** Helm makes the release's namespace itself. */
const withoutNamespace = (text: string): string =>
  text.split(/^---\n/m).filter((document) => !/^kind: Namespace$/m.test(document)).join("---\n");

/** Templates, unlike what lies in Helm's folder crds/, are brought up to date by `helm upgrade`; this keeps them at the end. */
function kept(definition: string): string {
  const text = definition.replace(/^ {2}annotations:\n/m, "  annotations:\n    helm.sh/resource-policy: keep\n");
  if (text === definition) throw new Error("A custom resource definition has no annotations to add to.");
  return text;
}
