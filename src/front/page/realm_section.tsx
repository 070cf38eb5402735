/** One realm with its grants. */
import type { RealmCard } from "../../core/page/page_view.ts";
import { GrantLines } from "./grant_lines.tsx";
import { GrantArticle } from "./grant_article.tsx";
import { Badge } from "./badge.tsx";
import { Instant } from "./instant.tsx";

/** A realm: its state, facts for the lender, and its grants. */
export function RealmSection({ realm, now, isAlone }: { realm: RealmCard; now: string; isAlone: boolean }) {
  const { name, state, tone, message, seen, facts, grants, lines, omitted } = realm;
  const id = `realm-${name}`;
  return (
    <section aria-labelledby={id} class="realm">
      <h2 id={id}>
        {name} <Badge tone={tone} text={state} />
      </h2>
      {message === "" ? "" : <p>{message}</p>}
      {facts.length === 0 && seen === undefined ? "" : (
        <dl class="facts">
          {facts.map(([name, value]) => (
            <div>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
          {seen === undefined ? "" : (
            <div>
              <dt>Seen</dt>
              <dd>
                <Instant at={seen} now={now} />
              </dd>
            </div>
          )}
        </dl>
      )}
      {grants.length + lines.length === 0 ? <p class="quiet">No grants.</p> : ""}
      {lines.length === 0 ? "" : <GrantLines lines={lines} now={now} />}
      {grants.map((grant) => <GrantArticle grant={grant} now={now} />)}
      {omitted + lines.length === 0 ? "" : (
        <p>
          {isAlone
            ? `${omitted} more: keystone grant list`
            : <a href={`/realm/${encodeURIComponent(name)}`}>{`All grants of ${name}`}</a>}
        </p>
      )}
    </section>
  );
}
