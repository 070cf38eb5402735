/** Pictures of the page, made by a real browser on nodes of the demo's tailnet. */
import { chromium } from "playwright-core";
import { LocalClient } from "../../lib/tailscale/mod.ts";
import { TailnetForward } from "../../tests/fixtures/tailnet_dial.ts";
import { openLab } from "../../tests/lab/lab.ts";
import { poll } from "../../tests/lab/poll.ts";
import { browserPath } from "../../tests/lab/node_obstacle.ts";

/** Names of the pictures. */
export const pagePictures = ["page-lender.png", "page-guest.png"] as const;

const [width, height] = [960, 600];

/**
 * Writes the pictures into a folder: the lender's from a laptop that joins the tailnet, the guest's from the guest's node.
 *
 * @param url address of the page, as the demo prints it
 * @param lent lets a login see everything, as the lender does
 */
export async function drawPage(
  { dir, url, images, lent }: { dir: string; url: string; images: string; lent: (login: string) => Promise<void> },
): Promise<void> {
  const lab = await openLab(dir);
  const laptop = await lab.addRealm("alice-laptop", { user: "alice-home" });
  try {
    await lent(await loginOf(laptop.socket));
    const { hostname, port } = new URL(url);
    for (
      const [name, socket, expected] of [
        [pagePictures[0], laptop.socket, "realms."],
        [pagePictures[1], lab.realms["bob-home"]!.socket, "keystone use"],
      ] as const
    ) {
      await using forward = new TailnetForward(socket, hostname, Number(port));
      // The browser asks for the node's name; its connections go over the tailnet.
      const rule = `MAP ${hostname}:${port} 127.0.0.1:${forward.port}`;
      await using browser = await chromium.launch({
        executablePath: browserPath(),
        args: ["--no-sandbox", `--host-resolver-rules=${rule}`],
      });
      const page = await browser.newPage({ viewport: { width, height }, colorScheme: "light" });
      // Two nodes without network devices take some seconds to find each other.
      await poll(`the page answers for ${name}`, () => page.goto(url).then(() => true, (error) => String(error)), {
        withinMs: 60_000,
      });
      await page.getByText(expected).first().waitFor();
      await page.screenshot({ path: `${images}/${name}`, fullPage: true });
      console.log(`wrote docs/images/${name}`);
    }
  } finally {
    await laptop.tailscaled.stop();
  }
}

/** Returns the login of a node. */
async function loginOf(socket: string): Promise<string> {
  using client = new LocalClient({ socket });
  const { Self, User } = await client.status();
  return User?.[String(Self?.UserID)]?.LoginName ?? "";
}
