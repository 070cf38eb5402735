/** A program that runs in another network namespace until disposed, and prints lines. */
import { TextLineStream } from "../lab/lines.ts";
import { programIn } from "../lab/packets.ts";

export interface RunningProgram extends AsyncDisposable {
  /** All lines printed so far. */
  lines: string[];
}

/** Starts a program of this folder in the network namespace of a process. */
export function runIn(pid: number, file: string, ...args: string[]): RunningProgram {
  const child = new Deno.Command("nsenter", {
    args: programIn(pid, new URL(file, import.meta.url).pathname, ...args),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines: string[] = [];
  const reading = (async () => {
    const text = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of text) lines.push(line);
  })();
  return {
    lines,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await Promise.all([child.status, reading]);
    },
  };
}
