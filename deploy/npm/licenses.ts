/** Licenses of the packages that a bundle contains, which have to be passed on with it. */

/** A package in Deno's cache. */
export interface BundledPackage {
  name: string;
  version: string;
  /** Folder with its files. */
  folder: string;
}

/** Returns the packages among the sources of a source map; relative sources are relative to `folder`. */
export function packagesOf(sources: readonly string[], folder: string): BundledPackage[] {
  const found = new Map<string, BundledPackage>();
  for (const source of sources) {
    const path = new URL(source, `file://${folder}/`).pathname;
    const [, root, name, version] = /^(.*\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/(\d+\.\d+\.\d+[^/]*))\//.exec(path) ?? [];
    if (root !== undefined) found.set(`${name}@${version}`, { name: name!, version: version!, folder: root });
  }
  return [...found.values()].sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** Returns the text with all licenses. Rejects when a package has none. */
export async function licensesText(packages: readonly BundledPackage[]): Promise<string> {
  const parts = ["The keystone command contains these packages."];
  for (const { name, version, folder } of packages) {
    const files: string[] = [];
    for await (const entry of Deno.readDir(folder)) {
      if (entry.isFile && /^(license|licence|notice|copying)/i.test(entry.name)) files.push(entry.name);
    }
    if (files.length === 0) throw new Error(`${name} ${version} has no file with its license.`);
    const texts = await Promise.all(files.sort().map((file) => Deno.readTextFile(`${folder}/${file}`)));
    parts.push(`${"-".repeat(80)}\n${name} ${version}\n\n${texts.map((text) => text.trim()).join("\n\n")}`);
  }
  return `${parts.join("\n\n")}\n`;
}
