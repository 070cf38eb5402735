/** Lines and branches of a file, and those that a run reached. */
export interface FileCoverage {
  /** Path from the project's root. */
  path: string;
  lines: Count;
  branches: Count;
  /** Lines that no test reached. */
  missed: number[];
}

export interface Count {
  found: number;
  hit: number;
}

/** Reads a report in LCOV's format. Parts of one file are merged: each run of tests loads a module for itself. */
export function parseLcov(text: string, root: string): FileCoverage[] {
  const files = new Map<string, { lines: Map<number, boolean>; branches: Map<string, boolean> }>();
  let file: { lines: Map<number, boolean>; branches: Map<string, boolean> } | undefined;
  for (const line of text.split("\n")) {
    const [, key, value] = /^(SF|DA|BRDA):(.*)$/.exec(line) ?? [];
    if (key === "SF") {
      const path = value!.startsWith(root) ? value!.slice(root.length) : value!;
      file = files.get(path) ?? { lines: new Map(), branches: new Map() };
      files.set(path, file);
    } else if (key === "DA") {
      const [number, count] = value!.split(",").map(Number);
      file?.lines.set(number!, (file.lines.get(number!) ?? false) || count! > 0);
    } else if (key === "BRDA") {
      const [number, block, branch, count] = value!.split(",");
      const id = `${number},${block},${branch}`;
      const isHit = count !== "-" && count !== "0";
      file?.branches.set(id, (file.branches.get(id) ?? false) || isHit);
    }
  }
  return [...files].map(([path, { lines, branches }]) => ({
    path,
    lines: counted(lines.values()),
    branches: counted(branches.values()),
    missed: [...lines].flatMap(([number, isHit]) => isHit ? [] : [number]),
  })).sort((a, b) => a.path < b.path ? -1 : 1);
}

function counted(hits: Iterable<boolean>): Count {
  const all = [...hits];
  return { found: all.length, hit: all.filter(Boolean).length };
}

/** The least coverage of the files below a folder, in percent. */
export interface CoverageLimit {
  folder: string;
  percent: number;
}

/** Sums up the files below a folder. */
export function coverageOf(files: readonly FileCoverage[], folder: string): { lines: number; branches: number } {
  const below = files.filter(({ path }) => folder === "" || path.startsWith(`${folder}/`));
  const percent = (of: "lines" | "branches"): number => {
    const found = below.reduce((sum, file) => sum + file[of].found, 0);
    const hit = below.reduce((sum, file) => sum + file[of].hit, 0);
    return found === 0 ? 100 : (hit / found) * 100;
  };
  return { lines: percent("lines"), branches: percent("branches") };
}

/** Returns a sentence for each limit that is not reached. */
export function belowLimits(files: readonly FileCoverage[], limits: readonly CoverageLimit[]): string[] {
  return limits.flatMap(({ folder, percent }) => {
    const found = coverageOf(files, folder);
    return (["lines", "branches"] as const).flatMap((of) =>
      found[of] < percent
        ? [`${folder || "all"}: ${found[of].toFixed(1)} % of ${of} are covered, ${percent} % must be`]
        : []
    );
  });
}

/** Ranges of numbers, such as `3-5, 8`. */
export function ranges(numbers: readonly number[]): string {
  const out: [number, number][] = [];
  for (const number of numbers) {
    const last = out.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else out.push([number, number]);
  }
  return out.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(", ");
}
