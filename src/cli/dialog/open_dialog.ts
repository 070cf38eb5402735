import process from "node:process";
import type { Session } from "../session.ts";
import type { Dialog } from "./dialog.ts";
import { PlainDialog } from "./plain_dialog.ts";

/**
 * Opens a dialog on the terminal. One without cursor movements, as screen readers need it, is used with TERM=dumb or
 * ACCESSIBLE=1.
 */
export async function openDialog({ io, flags }: Session): Promise<Dialog> {
  const accessible = io.env("ACCESSIBLE");
  if (io.env("TERM") === "dumb" || (accessible && accessible !== "0" && accessible !== "false")) {
    return new PlainDialog(io);
  }
  // The library colors its questions by the environment only, and some of them when it is loaded.
  if (!flags.color) process.env.NO_COLOR = "1";
  const { DrawnDialog } = await import("./drawn_dialog.ts");
  return new DrawnDialog(io.width);
}
