/** The version of a tag `v1.2.3`, semantic versioning. @throws when the tag isn't one */
export function versionOf(tag: string): string {
  const version = /^v(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)$/.exec(tag)?.[1];
  if (version === undefined) throw new Error(`The tag ${tag} is not a version: it must be like v1.2.3 or v1.2.3-rc.1.`);
  return version;
}

/** Names the files whose version isn't that of the release. */
export function versionMismatches(version: string, files: { denoJson: string; chart: string }): string[] {
  const found: string[] = [];
  const project = (JSON.parse(files.denoJson) as { version?: string }).version;
  if (project !== version) found.push(`deno.json: version is ${project}, must be ${version}`);
  for (const key of ["version", "appVersion"]) {
    const value = new RegExp(`^${key}: *"?([^"\\s]+)"?\\s*$`, "m").exec(files.chart)?.[1];
    if (value !== version) found.push(`deploy/chart/Chart.yaml: ${key} is ${value}, must be ${version}`);
  }
  return found;
}

/**
 * The part of the changelog on a version, with links that work outside the repository.
 *
 * @throws when the changelog says nothing about the version
 */
export function releaseNotes(changelog: string, version: string, filesAt: string): string {
  const lines = changelog.split("\n");
  const isHeading = (line: string): boolean => /^## /.test(line);
  const start = lines.findIndex((line) =>
    isHeading(line) && line.replace(/^## \[?/, "").split(/[\]\s]/)[0] === version
  );
  if (start === -1) {
    throw new Error(`CHANGELOG.md has no section "## ${version}": rename "## Unreleased" to "## ${version} - DATE".`);
  }
  const length = lines.slice(start + 1).findIndex(isHeading);
  const body = lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join("\n").trim();
  if (body === "") throw new Error(`The section ${version} of CHANGELOG.md is empty: say what changed.`);
  return `${body.replaceAll(/\]\((?!https?:|#|mailto:)(?:\.\/)?([^)\s]+)\)/g, `](${filesAt}/$1)`)}\n`;
}
