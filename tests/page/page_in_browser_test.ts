/** The page in a real browser: what people see, and whether they can use it. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { BrowserContext, Page as BrowserPage } from "playwright-core";
import { systemClock } from "../../lib/clock/mod.ts";
import type { PageWorld } from "../../src/core/page/page_view.ts";
import { createPage } from "../../src/front/page/lending_page.ts";
import { grant } from "../fixtures/made_facts.ts";
import { pageCallers, pageScene } from "../fixtures/page_scene.ts";
import { browserTest } from "../lab/needs_node.ts";
import { startBrowser } from "./browser.ts";

type Who = keyof typeof pageCallers;

/** Serves the page on this machine; the path's first part says who looks. */
function served() {
  let world = pageScene();
  const listeners = new Set<() => void>();
  const pages = createPage({
    world: () => world,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    clock: systemClock,
  });
  const servers = new Map<Who, Deno.HttpServer<Deno.NetAddr>>();
  for (const who of Object.keys(pageCallers) as Who[]) {
    servers.set(
      who,
      Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => pages(request, pageCallers[who])),
    );
  }
  return {
    url: (who: Who, path = "/") => `http://localhost:${servers.get(who)!.addr.port}${path}`,
    change(to: (world: PageWorld) => PageWorld) {
      world = to(world);
      for (const listener of listeners) listener();
    },
    get watched() {
      return listeners.size > 0;
    },
    [Symbol.asyncDispose]: async () => {
      for (const server of servers.values()) await server.shutdown();
    },
  };
}

interface Violation {
  id: string;
  nodes: { html: string }[];
}

/** Returns what axe finds on a page. */
async function violationsOn(page: BrowserPage): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run()") as { violations: Violation[] };
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

/** Opens the page and returns complaints of the browser, such as parts that its policy blocks. */
async function opened(context: BrowserContext, url: string): Promise<{ page: BrowserPage; complaints: string[] }> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    // The answer to a stranger has this status.
    if (!/status of 403/.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints };
}

const seen: Readonly<Record<Who, RegExp>> = {
  lender: /2 grants in force, 2 waiting[\s\S]*bob-home[\s\S]*gpu-weekend[\s\S]*carol-office[\s\S]*coop-share/,
  guest: /2 grants in force for bob-home[\s\S]*build-power[\s\S]*3800m of 4[\s\S]*keystone use alice-home/,
  stranger: /acts for no realm here[\s\S]*spec\.people/,
};

browserTest("page in a browser", async (t) => {
  await using browser = await startBrowser();
  await using lab = served();

  for (const who of ["lender", "guest", "stranger"] as const) {
    for (const width of [320, 1440]) {
      for (const colorScheme of ["light", "dark"] as const) {
        await t.step(`${who}, ${width} px, ${colorScheme}: readable, without a fault that axe knows`, async () => {
          await using context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
          const { page, complaints } = await opened(context, lab.url(who));
          assert.match(await page.innerText("body"), seen[who]);
          assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width, "nothing is cut off");
          assert.deepEqual(await violationsOn(page), []);
          assert.deepEqual(complaints, []);
        });
      }
    }
  }

  await t.step("without scripts: the same is shown", async () => {
    await using context = await browser.newContext({ javaScriptEnabled: false });
    const { page } = await opened(context, lab.url("lender"));
    assert.match(await page.innerText("body"), seen.lender);
  });

  await t.step("a change appears at once, and the keyboard stays where it is", async () => {
    await using context = await browser.newContext();
    const { page, complaints } = await opened(context, lab.url("lender"));
    await page.getByText("Live", { exact: true }).waitFor();
    await page.locator("code").nth(1).focus();
    lab.change((world) => ({ ...world, grants: [...world.grants, grant({ name: "brand-new" })] }));
    await page.getByRole("heading", { name: "brand-new" }).waitFor({ timeout: 5000 });
    assert.equal(await page.evaluate("document.activeElement.textContent"), "keystone doctor");
    assert.deepEqual(complaints, []);
  });

  await t.step("another site: can't frame the page", async () => {
    await using context = await browser.newContext();
    await using other = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => new Response(`<iframe src="${lab.url("lender")}"></iframe>`, { headers: { "content-type": "text/html" } }),
    );
    const page = await context.newPage();
    const refused = page.waitForEvent(
      "console",
      (message) => /frame/i.test(message.text()) || /403/.test(message.text()),
    );
    await page.goto(`http://127.0.0.1:${other.addr.port}/`);
    await refused;
    assert.doesNotMatch(await page.frames()[1]?.content() ?? "", /build-power/);
  });

  await t.step("another site: can't read the page, its parts or its stream", async () => {
    await using context = await browser.newContext();
    await using other = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => new Response("<p>other</p>", { headers: { "content-type": "text/html" } }),
    );
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${other.addr.port}/`);
    const read = await page.evaluate(`Promise.all([
      fetch(${JSON.stringify(lab.url("lender"))}, { credentials: "include" }).then(() => "read", () => "refused"),
      fetch(${JSON.stringify(lab.url("lender"))}, { mode: "no-cors" }).then((r) => r.type + r.status, () => "refused"),
      new Promise((done) => {
        const source = new EventSource(${JSON.stringify(lab.url("lender", "/events"))});
        source.onmessage = () => done("read");
        source.onerror = () => done("refused");
      }),
    ])`);
    assert.deepEqual(read, ["refused", "refused", "refused"]);
  });

  await t.step("nobody looks any more: nothing is followed", async () => {
    const closed = async (): Promise<void> => {
      while (lab.watched) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await closed();
  });
});
