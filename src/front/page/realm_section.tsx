/** One realm with its grants. */
import type { RealmCard } from "../../core/page/page_view.ts";
import { GrantArticle } from "./grant_article.tsx";
import { Badge } from "./badge.tsx";
import { Instant } from "./instant.tsx";

/** A realm: its state, facts for the lender, and its grants. */
export function RealmSection({ realm, now, isAlone }: { realm: RealmCard; now: string; isAlone: boolean }) {
  const { name, state, tone, message, seen, facts, grants, omitted } = realm;
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
      {grants.length === 0 ? <p class="quiet">No grants.</p> : ""}
      {grants.map((grant) => <GrantArticle grant={grant} now={now} />)}
      {omitted === 0 ? "" : (
        <p>
          {isAlone
            ? `${omitted} more: keystone grant list`
            : <a href={`/realm/${encodeURIComponent(name)}`}>{`${omitted} more grants of ${name}`}</a>}
        </p>
      )}
    </section>
  );
}
