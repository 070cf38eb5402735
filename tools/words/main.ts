/**
 * `deno task words`: checks the text that people read, in comments, messages, pages and manifests, against the rules of
 * style. Names file, line and remedy of each finding, and fails if there is one.
 *
 *     deno task words                 all rules
 *     deno task words docs README.md  findings in these files and folders only
 *     deno task words --all           doc comments that begin with a clause and long sentences, too, within their limits
 *     deno task words --lower         lowers the ceilings of long sentences to what the pages have now
 */
import { parseArgs } from "node:util";
import { clauseFindings, mostClauses } from "./clauses.ts";
import { densityFindings } from "./density.ts";
import { phraseFindings } from "./phrases.ts";
import type { StyleFinding } from "./prose.ts";
import { aboveCeilings, type Ceilings, longSentences, lowered } from "./sentence_length.ts";
import { spellingFindings } from "./spelling.ts";
import { proseOf, tree } from "./tree.ts";

const root = new URL("../../", import.meta.url).pathname;
const ceilingsFile = new URL("./ceilings.json", import.meta.url);

const { values: { all = false, lower = false }, positionals: chosen } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { all: { type: "boolean" }, lower: { type: "boolean" } },
  allowPositionals: true,
});

const isChosen = ({ file }: { file: string }): boolean =>
  chosen.length === 0 || chosen.some((each) => file === each || file.startsWith(`${each.replace(/\/$/, "")}/`));

const sources = tree(root);
const texts = new Map(sources.map(({ path, text }) => [path, text]));
const textOf = (file: string): string => texts.get(file)!;
const prose = sources.flatMap(proseOf);
const pages = prose.filter(({ kind }) => kind === "page");

const ceilings: Ceilings = JSON.parse(await Deno.readTextFile(ceilingsFile));
const long = longSentences(pages);
if (lower) await Deno.writeTextFile(ceilingsFile, `${JSON.stringify(lowered(long, ceilings), null, 2)}\n`);

const docComments = prose.filter(({ kind }) => kind === "doc comment").length;
const clauses = clauseFindings(prose, textOf);
const tooManyClauses = clauses.length > mostClauses * docComments;

const found: StyleFinding[] = [
  ...(tooManyClauses || all ? clauses : []),
  ...phraseFindings(prose, textOf),
  ...densityFindings(pages),
  ...(all ? long : aboveCeilings(long, ceilings)),
  ...await spellingFindings(sources.map(({ path }) => path).filter((file) => isChosen({ file })), root),
].filter(isChosen);

found.sort((a, b) => a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1);
for (const { file, line, rule, message } of found) console.log(`${file}:${line}: ${rule}: ${message}`);

const percent = ((clauses.length / docComments) * 100).toFixed(1);
console.log(
  `${sources.length} files: ${clauses.length} of ${docComments} doc comments (${percent} %) begin with a clause, ` +
    `${long.length} sentences of docs have more than 25 words; ${found.length} findings.`,
);
if (found.length > 0) Deno.exit(1);
