/** The page as HTML, rendered on the server: it works without its script. */
import type { PageView } from "../../core/page/page_view.ts";
import { RealmSection } from "./realm_section.tsx";
import { Instant } from "./instant.tsx";

/** Paths of the page's parts; those with a hash never change. */
export interface PagePaths {
  style: string;
  script: string;
  icon: string;
  /** Stream of changes of this view. */
  events: string;
}

/** The whole document. */
export function PageDocument({ view, paths }: { view: PageView; paths: PagePaths }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>{`Keystone: ${view.only ?? view.lender}`}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href={paths.icon} type="image/svg+xml" />
        <link rel="stylesheet" href={paths.style} />
        {view.kind === "stranger" ? "" : <script src={paths.script} defer></script>}
      </head>
      <body data-events={paths.events}>
        <header>
          <p class="mark" aria-hidden="true">K</p>
          <div>
            <h1>{view.lender}</h1>
            <p>{whoText(view)}</p>
          </div>
          <p id="live" role="status"></p>
        </header>
        <PageMain view={view} />
      </body>
    </html>
  );
}

/** The part that changes. */
export function PageMain({ view }: { view: PageView }) {
  const { kind, summary, realms, todo, now, only } = view;
  return (
    <main id="main">
      <p class="summary">{summary}</p>
      {only === undefined ? "" : (
        <p>
          <a href="/">All realms</a>
        </p>
      )}
      {only !== undefined && realms.length === 0 ? <p>{`There is no realm ${only} for you.`}</p> : ""}
      {realms.map((realm) => <RealmSection realm={realm} now={now} isAlone={only !== undefined} />)}
      {todo.length === 0 ? "" : (
        <section aria-labelledby="todo">
          <h2 id="todo">To do</h2>
          <dl class="commands">
            {todo.map(([purpose, command]) => (
              <div>
                <dt>{purpose}</dt>
                <dd>
                  <code tabindex={0}>{command}</code>
                </dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      {kind === "stranger" ? "" : (
        <p class="as-of">
          As of <Instant at={now} now={now} isExact />
        </p>
      )}
    </main>
  );
}

function whoText({ kind, login, node }: PageView): string {
  const who = login === "" ? node : `${login} on ${node}`;
  return kind === "stranger"
    ? `You are ${who}.`
    : kind === "lender"
    ? `Lent from here. You are ${who}.`
    : `Lent to you, ${who}.`;
}
