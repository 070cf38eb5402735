/** The pages that users read. */
const root = new URL("../../", import.meta.url);

/** Returns README and all pages of docs, without the decisions. */
export function pagesOf(): { path: string; text: string }[] {
  const names = [...Deno.readDirSync(new URL("docs/", root))].map(({ name }) => name).filter((name) =>
    name.endsWith(".md")
  );
  return ["README.md", ...names.toSorted().map((name) => `docs/${name}`)]
    .map((path) => ({ path, text: Deno.readTextFileSync(new URL(path, root)) }));
}
