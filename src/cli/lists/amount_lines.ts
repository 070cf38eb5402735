/** Amounts and their use as lines of a block. */
import { amountRows } from "../../core/report/amount_rows.ts";
import type { GrantAmounts } from "../../core/report/grant_amounts.ts";
import { bar } from "../grant_summary.ts";
import { type DetailLine, fieldTable } from "./detail_block.ts";

/**
 * Returns the use of each key with a bar, and what is left: of those that the terms name, of requests and limits, and of
 * all that are used. The others are in one line.
 */
export function amountLines(amounts: GrantAmounts, named: Iterable<string>): DetailLine[] {
  const { rows, also, isSummed } = amountRows(amounts, named);
  return [
    fieldTable(rows, [
      { name: "key", value: ({ key }) => key },
      {
        name: "use",
        value: ({ used, granted }) => `${bar(used, granted)} ${used} of ${granted}`,
        short: ({ used, granted }) => `${used} of ${granted}`,
      },
      { name: "left", value: ({ left }) => left },
    ]),
    ...(also.length > 0 ? [`Also granted: ${also.join(", ")}${isSummed ? " (see -o yaml)" : ""}`] : []),
  ];
}
