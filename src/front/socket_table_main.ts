/**
 * Starts the front with the kernel's table of TCP sockets as its standard input. Deno opens files of `/proc` only with all
 * permissions, and the front has few. So this process has them: it opens the table, and then only waits.
 */
import { spawn } from "node:child_process";
import { openSync } from "node:fs";

/** Opens the table; without one the front works too, and says what it lacks. */
function openTable(): number | "ignore" {
  try {
    return openSync("/proc/net/tcp", "r");
  } catch {
    return "ignore";
  }
}

const front = spawn(Deno.execPath(), Deno.args, { stdio: [openTable(), "inherit", "inherit"] });
for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => front.kill(signal));
front.on("exit", (code) => Deno.exit(code ?? 1));
