/** Input and output of a command; tests replace the terminal. */
import process from "node:process";
import { type BusySink, writtenSink } from "./follow/busy_client.ts";
import { LiveLines } from "./follow/live_lines.ts";
import { inputFiles, inputText } from "./input_paths.ts";

export interface Io {
  /** One line, or several; a newline is added. */
  out(text: string): void;
  err(text: string): void;
  stdin(): Promise<string>;
  /** True if standard input is a terminal, and `stdin` hasn't read it. */
  stdinIsFree(): boolean;
  /** True if standard output is a terminal. */
  terminal: boolean;
  /** True if standard error is a terminal. */
  errorTerminal?: boolean;
  /** True if the user can be prompted. */
  interactive: boolean;
  /** Columns of the terminal at present. */
  readonly width: number;
  env(name: string): string | undefined;
  readTextFile(path: string): Promise<string>;
  /** Returns the files of a path in `-f`, as {@linkcode inputFiles} does. */
  inputFiles(path: string, recursive: boolean): Promise<string[]>;
  /** Writes a file that only its owner can read. */
  writeSecretFile(path: string, text: string): Promise<void>;
  /** Epoch milliseconds. */
  now(): number;
  /** Ends a watch; absent: only the end of the process does. */
  stop?: AbortSignal;
  /** Lines that change in place; undefined: standard error is no terminal. */
  screen?: LiveLines | undefined;
  /** Place for what takes long without a screen; absent: it is not shown. */
  waits?: BusySink | undefined;
}

let isStdinRead = false;

const screen = Deno.stderr.isTerminal() && Deno.env.get("TERM") !== "dumb"
  ? new LiveLines({
    write: (text) => void Deno.stderr.writeSync(new TextEncoder().encode(text)),
    size: () => {
      const { columns = 80, rows = 24 } = process.stderr as { columns?: number; rows?: number };
      return { columns, rows };
    },
  })
  : undefined;

export const systemIo: Io = {
  out: (text) => write(process.stdout, text),
  err: (text) => write(process.stderr, text),
  stdin: async () => {
    isStdinRead = true;
    return inputText(await new Response(Deno.stdin.readable).bytes());
  },
  stdinIsFree: () => !isStdinRead && Deno.stdin.isTerminal(),
  terminal: Deno.stdout.isTerminal(),
  errorTerminal: Deno.stderr.isTerminal(),
  interactive: Deno.stdin.isTerminal() && Deno.stdout.isTerminal(),
  get width() {
    // A terminal without a size, such as that of a build server, says 0.
    return (process.stdout.columns ?? process.stderr.columns ?? 120) || 80;
  },
  env: (name) => Deno.env.get(name),
  readTextFile: async (path) => inputText(await Deno.readFile(path)),
  inputFiles,
  writeSecretFile: async (path, text) => {
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    // The mode above applies only to a new file.
    await Deno.chmod(path, 0o600);
  },
  now: () => Date.now(),
  screen,
  waits: writtenSink((line) => write(process.stderr, line)),
};

function write(stream: { write(text: string): unknown }, text: string): void {
  screen?.clear();
  stream.write(`${text}\n`);
}
