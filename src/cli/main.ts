/** `keystone`, and as a plugin `kubectl keystone`. */
import process from "node:process";
import { interrupt } from "./interruption.ts";
import { systemIo } from "./io.ts";
import { runKeystone } from "./program.ts";

// Ends in the usual way, and with it a credential plugin that waits for a person.
for (const [signal, number] of [["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]] as const) {
  if (Deno.build.os === "windows" && signal !== "SIGINT") continue;
  Deno.addSignalListener(signal, () => {
    const { isTaken, sentence } = signal === "SIGINT" ? interrupt() : { isTaken: false };
    if (isTaken) return;
    systemIo.screen?.clear();
    if (sentence !== undefined) systemIo.err(`\n${sentence}`);
    Deno.exit(128 + number);
  });
}

// The reader of a pipe may leave early, as head does. As any program then: it ends, without a word.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: Error & { code?: string }) => {
    if (error.code === "EPIPE") Deno.exit(128 + 13);
    throw error;
  });
}

// A task runs in the project's folder; relative paths are relative to the user's.
const cwd = Deno.env.get("INIT_CWD");
if (cwd) Deno.chdir(cwd);
// `deno task keystone -- grant list` means the same as without the dashes.
const args = Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args;
const code = await runKeystone(args, systemIo);
systemIo.screen?.clear();
Deno.exit(code);
