/** Tones of states on the page: each has a color, a shape and a word. */
import type { GrantFacts } from "../facts.ts";
import { isOver } from "../report/grant_amounts.ts";

export type Tone = "good" | "waiting" | "bad" | "over";

/** Returns the tone of a grant's state. */
export function toneOfGrant({ status }: Pick<GrantFacts, "status">): Tone {
  const { phase = "Pending", state = phase } = status;
  if (isOver(phase)) return "over";
  return state === "Active" ? "good" : "waiting";
}

/** Returns the tone of a realm's connection. */
export const toneOfRealm = (state: string): Tone =>
  state === "Connected" ? "good" : state === "Error" ? "bad" : "waiting";

const order: readonly Tone[] = ["bad", "waiting", "good", "over"];

/** Orders grants: those that need attention first, those that are over last. */
export const byState = (a: GrantFacts, b: GrantFacts): number =>
  order.indexOf(toneOfGrant(a)) - order.indexOf(toneOfGrant(b));
