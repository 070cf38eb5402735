/** Starts and ends the process of a forwarder. */
import { problemFile, readForwarderSettings, runningForwarder } from "./forwarder_folder.ts";

const path = (relative: string): string => decodeURIComponent(new URL(relative, import.meta.url).pathname);

/** True in the npm package, where each program is a bundle in one folder. */
const isBundle = import.meta.url.endsWith(".js");

/** Time within which it has to listen. */
const startMs = 15_000;

/** Programs that run by themselves, with few rights. */
type Program = "credential_main" | "forwarder_main";

const programPath = (program: Program): string => path(`./${program}${isBundle ? ".js" : ".ts"}`);

/** Returns the arguments of Deno for a program of this folder. */
export const programArguments = (program: Program, permissions: readonly string[], ...args: string[]): string[] => [
  "run",
  "--quiet",
  "--no-prompt",
  ...(isBundle
    ? ["--no-config", "--no-lock", "--no-remote", "--no-npm"]
    : ["--frozen", "--no-check", `--config=${path("../../../deno.json")}`]),
  ...permissions,
  programPath(program),
  ...args,
];

/** Starts the forwarder of a folder if none runs. Resolves when its port accepts connections. */
export async function startForwarder(folder: string): Promise<void> {
  const settings = await readForwarderSettings(folder);
  if (!settings) throw new Error("The forwarder's settings are gone. Run keystone use again.");
  const { socket, tls, kubeconfig } = settings;
  const child = new Deno.Command(Deno.execPath(), {
    args: programArguments(
      "forwarder_main",
      [
        // A few connections need no large heap.
        "--v8-flags=--max-semi-space-size=1,--max-old-space-size=64",
        `--allow-net=127.0.0.1,unix:${socket},local-tailscaled.sock:80`,
        `--allow-read=${folder},${kubeconfig},${socket}`,
        `--allow-write=${folder},${socket}`,
        // node:tls reads the machine's authorities.
        ...(tls ? ["--allow-sys"] : []),
      ],
      folder,
    ),
    // A separate session: the terminal's end is not its end.
    detached: true,
    cwd: "/",
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), startMs);
  const reader = child.stdout.getReader();
  try {
    const { value } = await reader.read();
    if (value !== undefined || await runningForwarder(folder) !== undefined) return;
    throw new Error(
      await Deno.readTextFile(problemFile(folder)).catch(() =>
        `The forwarder could not start. See: ${Deno.execPath()} info ${programPath("forwarder_main")}`
      ),
    );
  } finally {
    clearTimeout(timer);
    await reader.cancel();
    child.unref();
  }
}

/** Ends the forwarder of a folder, if one runs. Resolves when its port is free. */
export async function endForwarder(folder: string): Promise<void> {
  const pid = await runningForwarder(folder);
  if (pid === undefined) return;
  Deno.kill(pid, "SIGTERM");
  for (let attempt = 0; attempt < 60; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (await runningForwarder(folder) === undefined) return;
  }
  Deno.kill(pid, "SIGKILL");
}
