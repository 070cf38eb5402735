#!/usr/bin/env node
/**
 * `keystone`, as a plugin `kubectl keystone`, and the completion that kubectl asks for that: they run on the Deno that the
 * package brings. Node only starts it, and ends as it ended.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const runtime = `@deno/${process.platform}-${process.arch}${process.platform === "linux" ? "-glibc" : ""}`;

/** Path of the runtime; undefined if npm didn't install it. */
function runtimePath() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${runtime}/package.json`)), "deno");
  } catch {
    return undefined;
  }
}

const deno = runtimePath();
if (deno === undefined) {
  console.error(
    `The package ${runtime}, on which keystone runs, is not installed. Install keystone again, without --omit=optional. ` +
      "There are packages for Linux with glibc and for macOS, for x64 and arm64.",
  );
  process.exit(1);
}

const name = basename(process.argv[1] ?? "");
const env = { ...process.env, DENO_NO_UPDATE_CHECK: "1" };
// Of a script of npm's that runs this: paths are relative to the present folder.
delete env.INIT_CWD;
delete env.KEYSTONE_COMMAND;
if (name.startsWith("kubectl")) env.KEYSTONE_COMMAND = "kubectl keystone";
const child = spawn(
  deno,
  [
    ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm"],
    ...["env", "net", "read", "run", "write", "sys"].map((right) => `--allow-${right}`),
    join(dirname(fileURLToPath(import.meta.url)), "keystone.js"),
    ...(name === "kubectl_complete-keystone" ? ["__complete"] : []),
    ...process.argv.slice(2),
  ],
  { stdio: "inherit", env },
);
// A terminal sends Ctrl-C to both processes; other senders know only this one.
const isOnTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !isOnTerminal) child.kill(signal);
  });
}
child.on("error", (error) => {
  console.error(`${deno} can't be started: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
