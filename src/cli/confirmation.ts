/** Confirmations of what can't be undone. */
import * as prompts from "@clack/prompts";
import { no, usageError } from "./exit.ts";
import type { Session } from "./session.ts";

/** Question before a write that can't be undone. */
export interface Confirmation {
  /** Question on the terminal, with what will change. */
  question: string;
  /** Sentence that says that nothing was changed, for the answer no. */
  declined: string;
  /** Sentence that says what will change, for the error without a terminal. */
  effect: string;
  /** Default on the terminal: No, unless what is confirmed can be undone. */
  initialValue?: boolean;
}

/**
 * Asks before something that can't be undone. Returns after a yes.
 *
 * @param yes true if a flag confirms it already
 * @throws {Exit} "no" if the user declines or presses Ctrl-C; a usage error if nobody can be asked
 */
export async function confirm({ io }: Session, yes: unknown, asked: Confirmation): Promise<void> {
  if (yes) return;
  if (!io.interactive) throw usageError(`--yes is not set. ${asked.effect}; use --yes to confirm.`);
  const sure = await prompts.confirm({ message: asked.question, initialValue: asked.initialValue ?? false });
  if (prompts.isCancel(sure) || !sure) throw no(asked.declined);
}
