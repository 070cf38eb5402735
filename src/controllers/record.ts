import type { EventFact } from "../core/facts.ts";
import type { Context } from "./context.ts";

/** Hands events to the recorder, which writes them when there is time. */
export function record(
  { events }: Context,
  regarding: { apiVersion: string; kind: string; namespace?: string; name: string; uid: string },
  facts: readonly EventFact[],
): void {
  for (const fact of facts) events.event({ regarding, ...fact });
}
