/** Confirmations of what can't be undone. */
import { Cancelled } from "./dialog/dialog.ts";
import { openDialog } from "./dialog/open_dialog.ts";
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
export async function confirm(session: Session, yes: unknown, asked: Confirmation): Promise<void> {
  if (yes) return;
  if (!session.io.interactive) throw usageError(`--yes is not set. ${asked.effect}; use --yes to confirm.`);
  if (!await orCancelled(session, asked)) throw no(asked.declined);
}

async function orCancelled(session: Session, { question, initialValue = false }: Confirmation): Promise<boolean> {
  using dialog = await openDialog(session);
  try {
    return await dialog.confirm({ message: question, preset: initialValue });
  } catch (error) {
    if (error instanceof Cancelled) return false;
    throw error;
  }
}
