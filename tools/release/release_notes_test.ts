import assert from "node:assert/strict";
import { releaseNotes, versionMismatches, versionOf } from "./release_notes.ts";

const changelog = `# Changelog

## Unreleased

### Added

- not yet

## 1.2.0 - 2027-01-02

### Added

- one ([docs](docs/a.md#b), [web](https://e.org/), [here](#c), [dot](./docs/d.md))

## [1.2.0-rc.1] - 2027-01-01

- the candidate

## 1.1.0

`;

Deno.test("release notes: the version's section only, with links into the repository at the tag", () => {
  assert.equal(
    releaseNotes(changelog, "1.2.0", "https://f.org/o/r/blob/v1.2.0"),
    "### Added\n\n- one ([docs](https://f.org/o/r/blob/v1.2.0/docs/a.md#b), [web](https://e.org/), [here](#c), " +
      "[dot](https://f.org/o/r/blob/v1.2.0/docs/d.md))\n",
  );
  assert.equal(releaseNotes(changelog, "1.2.0-rc.1", "x"), "- the candidate\n");
});

Deno.test("release notes: a version without a section, or with an empty one, is refused with the remedy", () => {
  assert.throws(() => releaseNotes(changelog, "1.3.0", "x"), /no section "## 1\.3\.0": rename "## Unreleased"/);
  assert.throws(() => releaseNotes(changelog, "1.2", "x"), /no section/);
  assert.throws(() => releaseNotes(changelog, "1.1.0", "x"), /is empty/);
});

Deno.test("tag: its version; anything else is refused", () => {
  assert.equal(versionOf("v1.2.3"), "1.2.3");
  assert.equal(versionOf("v1.2.3-rc.1"), "1.2.3-rc.1");
  for (const tag of ["1.2.3", "v1.2", "v1.2.3;x", "main"]) assert.throws(() => versionOf(tag), /not a version/);
});

Deno.test("versions of project and chart: each that differs is named", () => {
  const chart = 'name: a\nversion: 1.2.3\nappVersion: "1.2.2"\n';
  assert.deepEqual(versionMismatches("1.2.3", { denoJson: '{"version":"1.2.4"}', chart }), [
    "deno.json: version is 1.2.4, must be 1.2.3",
    "deploy/chart/Chart.yaml: appVersion is 1.2.2, must be 1.2.3",
  ]);
  const same = "version: 1.2.3\nappVersion: 1.2.3\n";
  assert.deepEqual(versionMismatches("1.2.3", { denoJson: '{"version":"1.2.3"}', chart: same }), []);
});

Deno.test("versions of this project and its chart are one", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
  const denoJson = await read("deno.json");
  const { version } = JSON.parse(denoJson) as { version: string };
  assert.deepEqual(versionMismatches(version, { denoJson, chart: await read("deploy/chart/Chart.yaml") }), []);
});
