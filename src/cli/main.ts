/** `keystone`, and as a plugin `kubectl keystone`. */
import { systemIo } from "./io.ts";
import { runKeystone } from "./program.ts";

// A task runs in the project's folder; relative paths are meant from where the user is.
const cwd = Deno.env.get("INIT_CWD");
if (cwd) Deno.chdir(cwd);
// `deno task keystone -- grants` is meant as without the dashes.
const args = Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args;
Deno.exit(await runKeystone(args, systemIo));
