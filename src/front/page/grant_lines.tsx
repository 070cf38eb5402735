/** Grants in one line each. */
import type { GrantLine } from "../../core/page/page_view.ts";
import { Badge } from "./badge.tsx";
import { Instant } from "./instant.tsx";

/** A list of grants with state and end. */
export function GrantLines({ lines, now }: { lines: readonly GrantLine[]; now: string }) {
  return (
    <ul class="lines">
      {lines.map(({ name, state, tone, span: { ends } }) => (
        <li>
          {name} <Badge tone={tone} text={state} />
          {ends === undefined ? "" : (
            <span class="quiet">
              {tone === "over" ? " ended " : " ends "}
              <Instant at={ends} now={now} />
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
