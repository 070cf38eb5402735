/** Reads the tests' names from their sources, and writes the threat table and the list of attacks from threats.ts. */
import { guardPolicies } from "../../deploy/guards/guards_table.ts";
import { withGeneratedPart } from "../lab/page_part.ts";
import { goesOn, type Threat, threats, type ThreatSource } from "./threats.ts";

const tests = new URL("../", import.meta.url);

/** A test, or a step of one. */
export interface HostileAttack {
  /** Path below tests/. */
  file: string;
  /** Name, with `N` for the placeholders of a template string. */
  name: string;
  /** The test that a step belongs to. */
  test?: string;
}

/**
 * Returns tests without steps, and steps, in the order of the file. They are found in the text as `Deno.test("…"`,
 * `t.step("…"` and `step(t, "…"`.
 */
export function attacksIn(file: string, text: string): HostileAttack[] {
  const found: HostileAttack[] = [];
  let test: string | undefined;
  for (const [, call, quoted] of text.matchAll(namedCalls)) {
    const name = quoted!.slice(1, -1).replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, "N").replaceAll(/\\(.)/g, "$1");
    if (call!.startsWith("Deno.test")) {
      test = name;
      found.push({ file, name });
      continue;
    }
    // A test with steps is listed by its steps alone.
    if (found.at(-1)?.name === test && found.at(-1)?.test === undefined) found.pop();
    found.push({ file, name, ...(test === undefined ? {} : { test }) });
  }
  return found;
}

const namedCalls = /\b(Deno\.test\(|t\.step\(|step\(\s*\w+,)\s*("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)/g;

/** Returns the tests and steps of a source; empty if there is no such file, test or step. */
export async function attacksOf(source: ThreatSource): Promise<HostileAttack[]> {
  const [file, name] = split(source);
  const text = await Deno.readTextFile(new URL(file, tests)).catch(() => "");
  const all = attacksIn(file, text);
  return name === undefined ? all : all.filter((attack) => attack.name === name);
}

function split(source: ThreatSource): [file: string, name: string | undefined] {
  const end = source.indexOf("_test.ts") + "_test.ts".length;
  return [source.slice(0, end), source.length > end ? source.slice(end + 2) : undefined];
}

/** Returns every attack of tests/hostile. */
export async function hostileAttacks(): Promise<HostileAttack[]> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(new URL("hostile/", tests))) {
    if (name.endsWith("_test.ts") && name !== "hostile_attacks_test.ts") files.push(`hostile/${name}`);
  }
  return (await Promise.all(files.sort().map(attacksOf))).flat();
}

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string): string => heading.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-");

const headingOf = ({ threat }: Threat): string => threat[0]!.toUpperCase() + threat.slice(1);

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;

/** Builds the threat table of docs/security.md. */
async function threatTable(): Promise<string> {
  const rows = await Promise.all(threats.map(async (threat) => {
    const count = (await Promise.all(threat.triedBy.map(attacksOf))).flat().length;
    const guarded = threat.guards?.length ?? 0;
    const tried = [
      ...(count > 0 ? [`${count} ${count === 1 ? "test" : "tests"}`] : []),
      ...(guarded > 0 ? [`${guarded} ${guarded === 1 ? "guard" : "guards"}`] : []),
    ].join(", ");
    const by = threat.untried ?? `[${tried}](attacks.md#${anchorOf(headingOf(threat))})`;
    return row([threat.threat, threat.against, threat.left, by]);
  }));
  return row(["threat", "mitigation", "remaining risk", "tests"]) + row(["---", "---", "---", "---"]) +
    rows.join("");
}

/** Inserts the table into the page docs/security.md. */
export const securityPage = async (page: string): Promise<string> =>
  withGeneratedPart(page, "tests/hostile/threats.ts", await threatTable());

/** Builds a list of tests, each with its named steps. */
const listed = (attacks: readonly HostileAttack[]): string =>
  [...Map.groupBy(attacks, ({ file, name, test }) => `${file}: ${test ?? name}`).values()].map((of) => {
    const { file, name, test } = of[0]!;
    const steps = test === undefined ? [] : of.map((step) => `  - ${step.name}\n`);
    return `- ${test ?? name} ([${file}](../tests/${file}))\n${steps.join("")}`;
  }).join("");

/** Builds the page docs/attacks.md. */
export async function attacksPage(): Promise<string> {
  const guardCounts = new Map(
    guardPolicies.flatMap(({ guards }) => guards).map(({ name, attacks }) => [name, attacks.length]),
  );
  const sections = await Promise.all(threats.map(async (threat) => {
    const guards = (threat.guards ?? []).map((name) => {
      const count = guardCounts.get(name)!;
      // Guards on unknown fields have no attacks: all fields of today's API servers are known.
      return count === 0 ? `\`${name}\`` : `\`${name}\` (${count} ${count === 1 ? "attack" : "attacks"})`;
    });
    const tried = listed((await Promise.all(threat.triedBy.map(attacksOf))).flat());
    const byGuards = guards.length === 0 ? "" : `- [Guards](guards.md): ${guards.join(", ")}\n`;
    const why = threat.untried === undefined ? "" : `No test tries it: ${threat.untried}.\n`;
    return `## ${headingOf(threat)}\n\n${tried}${byGuards}${why}`;
  }));
  const beside = listed((await Promise.all(goesOn.map(attacksOf))).flat());
  return `<!-- Generated by \`deno task gen\` from tests/hostile/threats.ts and the tests: change them there. -->

# Attacks

The threats of the [threat table](security.md#threats), with the tests that try them. \`N\` is a number or a name that a run
fills in. Tests in \`hostile/\` attack a real control plane with all guards on, as a guest or as a stranger:
\`deno task test:hostile\`. The attacks of a guard are tried in every kind that can carry them
([hostile/hostile_guards_test.ts](../tests/hostile/hostile_guards_test.ts)).

${sections.join("\n")}
## Ordinary use

${beside}`;
}
