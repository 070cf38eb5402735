/** A real browser, headless, in front of the page. */
import { type Browser, chromium } from "playwright-core";
import { browserPath } from "../lab/node_obstacle.ts";

/** Starts the machine's browser; it ends when it is disposed of. */
export async function startBrowser(): Promise<Browser & AsyncDisposable> {
  // Without its own sandbox, because root in a container has none; it opens only the tests' own pages.
  return await chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox", "--disable-gpu"] });
}
