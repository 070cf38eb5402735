/** Amounts as people write them, checked for what they measure: slips such as `4GB`, `500 m` or `2 cores` get the remedy. */
import { isQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";

/** An amount that was understood, as it was written, or a sentence with the remedy. */
export type WrittenAmount = { quantity: string; note?: string } | { problem: string };

const most = parseQuantity("1E");
const mostCores = parseQuantity("1M");
const leastCores = parseQuantity("1m");
const leastBytes = parseQuantity("1Mi");
const giB = parseQuantity("1Gi");

/** Returns the quantity if it is within the bounds. */
function quantityIn(text: string, least: Quantity, greatest: Quantity): Quantity | undefined {
  if (!isQuantity(text)) return undefined;
  const quantity = parseQuantity(text);
  return quantity.compare(least) >= 0 && quantity.compare(greatest) <= 0 ? quantity : undefined;
}

/** The number and the unit of a text, with a point for a comma; undefined if it has another form. */
function measured(text: string): { number: string; unit: string } | undefined {
  const [, number, unit] = /^\+?(\d+(?:[.,]\d+)?|[.,]\d+) *([a-zµ]*)$/i.exec(text) ?? [];
  return number === undefined ? undefined : { number: number.replace(",", "."), unit: unit!.toLowerCase() };
}

/** Reads an amount of CPU, in cores: `2`, `0.5`, `500m`. */
export function readCores(text: string): WrittenAmount {
  if (quantityIn(text, leastCores, mostCores)) return { quantity: text };
  const forms = "Use a number of cores, such as 2, 0.5 or 500m.";
  const { number, unit } = measured(text) ?? {};
  if (number === undefined || Number(number) === 0) return { problem: forms };
  const meant = /^(c|cores?|v?cpus?)?$/.test(unit!)
    ? number
    : /^(m|milli)(s|c|cores?|cpus?)?$/.test(unit!)
    ? `${number}m`
    : undefined;
  if (meant !== undefined && quantityIn(meant, leastCores, mostCores)) return { problem: `Use ${meant}.` };
  return { problem: /^(k|m|g|t)i?b?$/.test(unit!) ? `That is an amount of memory. ${forms}` : forms };
}

/** Reads an amount of memory or storage: `4Gi`, `512Mi`. */
export function readBytes(text: string): WrittenAmount {
  const quantity = quantityIn(text, leastBytes, most);
  if (quantity !== undefined) {
    const decimal = /^(.*\d)([kMGTP])$/.exec(text);
    if (!decimal) return { quantity: text };
    const [, number, letter] = decimal;
    const binary = `${number}${letter === "k" ? "K" : letter}i`;
    return {
      quantity: text,
      note: `${text} is ${inGiB(quantity)}, less than ${binary}. Write ${binary} if you mean that.`,
    };
  }
  const { number, unit } = measured(text) ?? {};
  if (number === undefined || Number(number) === 0) {
    return { problem: "Use a number with Mi or Gi, such as 512Mi or 4Gi." };
  }
  if (unit === "") return { problem: `That is ${number} bytes. Use ${number}Mi or ${number}Gi.` };
  const letter = /^([kmgtp])(?:i?b?|[ei]gs?|(?:ilo|ega|iga|era|eta|ibi|ebi)(?:bytes?)?)$/.exec(unit!)?.[1];
  const meant = letter === undefined ? undefined : `${number}${letter.toUpperCase()}i`;
  return {
    problem: meant !== undefined && quantityIn(meant, leastBytes, most)
      ? `Use ${meant}.`
      : "Use a number with Mi or Gi, such as 512Mi or 4Gi.",
  };
}

/** Returns the amount in Gi or Mi with two decimals, for comparison. */
function inGiB(quantity: Quantity): string {
  const [unit, name] = quantity.compare(giB) >= 0 ? [giB, "Gi"] : [leastBytes, "Mi"];
  return `${Number(quantity.nanos * 100n / unit.nanos) / 100}${name}`;
}

/** Reads a whole number of at least one. */
export const readCount = (text: string): WrittenAmount =>
  /^[1-9]\d{0,8}$/.test(text) ? { quantity: text } : { problem: "It must be a whole number, such as 1." };
