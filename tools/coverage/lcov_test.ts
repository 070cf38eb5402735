import assert from "node:assert/strict";
import { belowLimits, coverageOf, parseLcov, ranges } from "./lcov.ts";

const report = `SF:/p/src/core/a.ts
BRDA:1,0,0,1
BRDA:1,0,1,-
DA:1,2
DA:2,0
DA:3,0
end_of_record
SF:/p/src/core/a.ts
BRDA:1,0,1,3
DA:1,0
DA:2,1
end_of_record
SF:/p/lib/b.ts
DA:1,1
DA:2,0
end_of_record
`;

Deno.test("lcov: parts of one file are merged", () => {
  const [b, a] = parseLcov(report, "/p/");
  assert.deepEqual([b?.path, b?.lines, b?.branches], ["lib/b.ts", { found: 2, hit: 1 }, { found: 0, hit: 0 }]);
  assert.deepEqual([a?.lines, a?.branches, a?.missed], [{ found: 3, hit: 2 }, { found: 2, hit: 2 }, [3]]);
});

Deno.test("coverage of a folder: its files only; without branches: all of them", () => {
  const files = parseLcov(report, "/p/");
  assert.deepEqual(coverageOf(files, "lib"), { lines: 50, branches: 100 });
  assert.deepEqual(coverageOf(files, ""), { lines: 60, branches: 100 });
});

Deno.test("below a limit: named by folder and measure; at the limit: nothing", () => {
  const files = parseLcov(report, "/p/");
  assert.deepEqual(belowLimits(files, [{ folder: "", percent: 60 }]), []);
  assert.deepEqual(belowLimits(files, [{ folder: "", percent: 61 }, { folder: "lib", percent: 51 }]), [
    "all: 60.0 % of lines are covered, 61 % must be",
    "lib: 50.0 % of lines are covered, 51 % must be",
  ]);
});

Deno.test("line numbers as ranges", () => {
  assert.equal(ranges([3, 4, 5, 8, 10, 11]), "3-5, 8, 10-11");
});
