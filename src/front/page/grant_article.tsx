/** One grant: its state, period, amounts with bars, network and problems. */
import type { GrantCard, Span } from "../../core/page/page_view.ts";
import { type AmountRow, usedPart } from "../../core/report/amount_rows.ts";
import { Badge } from "./badge.tsx";
import { Instant } from "./instant.tsx";

/** A grant. */
export function GrantArticle({ grant, now }: { grant: GrantCard; now: string }) {
  const { name, lender, grantee, state, tone, message, span, notice, cuts, amounts, others, network, problems } = grant;
  const id = `grant-${name}`;
  const isOpen = tone !== "over";
  return (
    <article aria-labelledby={id} class={`grant ${tone}`}>
      <h3 id={id}>
        {name} <Badge tone={tone} text={state} />
      </h3>
      <p class="quiet">{`${lender} lends to ${grantee}.`}</p>
      <p>{message}</p>
      {notice === undefined ? "" : <p class="notice">{notice}</p>}
      {cuts.map((cut) => <p class="notice">{cut}</p>)}
      {problems.map((problem) => <p class="problem">{problem}</p>)}
      <Period span={span} now={now} isOpen={isOpen} />
      {amounts.length === 0 ? "" : <Amounts rows={amounts} of={name} />}
      {others.length === 0 ? "" : <p class="quiet">{`Also granted: ${others.join(", ")}`}</p>}
      {!isOpen ? "" : network.length === 0 ? <p class="quiet">No destination is open.</p> : (
        <div>
          <p class="label">Open destinations</p>
          <ul>{network.map((each) => <li>{each}</li>)}</ul>
        </div>
      )}
    </article>
  );
}

/** Length of bars and time lines, in units of the pictures. */
const whole = 200;

function Period({ span: { begins, ends, over }, now, isOpen }: { span: Span; now: string; isOpen: boolean }) {
  return (
    <div class="period">
      <p>
        {begins === undefined ? "" : (
          <span>
            {Date.parse(begins) > Date.parse(now) ? "Begins " : "Began "}
            <Instant at={begins} now={now} />
            {". "}
          </span>
        )}
        {ends === undefined ? "Lasts until it is revoked." : (
          <span>
            {isOpen ? "Ends " : "Ended "}
            <Instant at={ends} now={now} />.
          </span>
        )}
      </p>
      {over === undefined || !isOpen
        ? ""
        : (
          <svg class="line" viewBox={`0 0 ${whole} 6`} preserveAspectRatio="none" aria-hidden="true">
            <rect class="rail" width={whole} height="6" />
            <rect class="fill" width={round(over)} height="6" />
          </svg>
        )}
    </div>
  );
}

function Amounts({ rows, of }: { rows: readonly AmountRow[]; of: string }) {
  return (
    <table>
      <caption class="unseen">{`Use of ${of}`}</caption>
      <thead>
        <tr>
          <th scope="col">Resource</th>
          <th scope="col">Used of granted</th>
          <th scope="col">Left</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr>
            <th scope="row">{breakable(row.key)}</th>
            <td>
              <svg class="bar" viewBox={`0 0 ${whole} 10`} preserveAspectRatio="none" aria-hidden="true">
                <rect class="rail" width={whole} height="10" />
                <rect
                  class={usedPart(row) > 0.9 ? "fill near" : "fill"}
                  width={round(usedPart(row))}
                  height="10"
                />
              </svg>
              {`${row.used} of ${row.granted}`}
            </td>
            <td>{row.left}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A key that may be broken after its dots and slashes. */
const breakable = (key: string) =>
  key.split(/(?<=[./])/).map((part) => (
    <>
      {part}
      <wbr />
    </>
  ));

const round = (part: number): number => Math.round(part * whole);
