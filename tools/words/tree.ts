import { hashProse } from "./hash_prose.ts";
import { markdownProse } from "./markdown_prose.ts";
import type { Prose, Source } from "./prose.ts";
import { typescriptProse } from "./typescript_prose.ts";

/** Folders that aren't the project's own text: caches, generated clients, fixtures of earlier versions, results. */
const skipped = [
  /^(\.git|node_modules|coverage|\.lab|\.faults)\//,
  /^lib\/kubernetes_apis\/([^/]*@|openapi\/)/,
  /^src\/api\/client\/([^/]*@|openapi\/)/,
  /^tests\/(fixtures|lab\/modules)\//,
  /^bench\/results\//,
  // The rules name the phrases, and their tests break them.
  /^tools\/words\/(phrases|words_test)\.ts$/,
];

const readers: readonly { of: RegExp; read: (source: Source) => Prose[] }[] = [
  { of: /\.tsx?$/, read: typescriptProse },
  { of: /\.md$/, read: (source) => [markdownProse(source)] },
  { of: /\.(ya?ml|sh)$|(^|\/)(Containerfile|Kustomization)$|^\.ci\/run$/, read: (source) => [hashProse(source)] },
];

/** Reports whether the rules apply to a file. */
export function isProseFile(path: string): boolean {
  return !skipped.some((each) => each.test(path)) && readers.some(({ of }) => of.test(path));
}

/** The text that people read in a file. */
export function proseOf(source: Source): Prose[] {
  return readers.find(({ of }) => of.test(source.path))?.read(source) ?? [];
}

/** Files below a folder to which the rules apply, in order. */
export function tree(root: string): Source[] {
  const out: Source[] = [];
  const enter = (folder: string): void => {
    for (const { name, isDirectory, isFile } of Deno.readDirSync(`${root}${folder}`)) {
      const path = `${folder}${name}`;
      if (isDirectory && !skipped.some((each) => each.test(`${path}/`))) enter(`${path}/`);
      else if (isFile && isProseFile(path)) out.push({ path, text: Deno.readTextFileSync(`${root}${path}`) });
    }
  };
  enter("");
  return out.sort((a, b) => a.path < b.path ? -1 : 1);
}
