/**
 * Prints the notes of a release, and fails unless tag, project and chart have one version:
 *
 *     deno run -A tools/release/main.ts v1.2.3 https://github.com/OWNER/REPOSITORY
 */
import { releaseNotes, versionMismatches, versionOf } from "./release_notes.ts";

const [tag, repository] = Deno.args;
if (tag === undefined || repository === undefined) {
  console.error("Usage: deno run -A tools/release/main.ts TAG REPOSITORY-URL");
  Deno.exit(2);
}
const read = (path: string): string => Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
try {
  const version = versionOf(tag);
  const mismatches = versionMismatches(version, {
    denoJson: read("deno.json"),
    chart: read("deploy/chart/Chart.yaml"),
  });
  if (mismatches.length > 0) throw new Error(mismatches.join("\n"));
  console.log(releaseNotes(read("CHANGELOG.md"), version, `${repository}/blob/${tag}`).trimEnd());
} catch (error) {
  console.error((error as Error).message);
  Deno.exit(1);
}
