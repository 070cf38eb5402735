/** The end of `grant create`: says what was stored, and waits until it is enforced. */
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import type { Grant } from "../api/client/keystone.io@v1alpha1.ts";
import { sentence } from "../core/plain_text.ts";
import { followGrant, type WaitFlags } from "./follow/follow_grant.ts";
import { changedText } from "./grant_over.ts";
import type { Session } from "./session.ts";

/** Warns if the API server stored other terms than were sent. */
export function noteChangedTerms(session: Session, sent: Grant, created: Grant): void {
  const changed = changedText(sent.spec, created.spec);
  if (changed !== undefined) session.note(`${session.colours.yellow("Warning:")} ${changed}`);
}

/** Waits until a created grant is enforced, if `--wait` is set, and prints it. */
export async function waitForCreated(
  session: Session,
  rest: RestClient,
  created: Grant,
  flags: WaitFlags,
): Promise<void> {
  if (!flags.wait) return;
  const { name } = created.metadata!;
  const last = await followGrant(session, rest, created, flags, {
    until: "enforced",
    goesOn: `Grant ${name} exists, and the operator continues. See: keystone explain grant ${name}`,
  });
  if (last && !session.data(last)) session.say(sentence(last.status?.message ?? ""));
}
