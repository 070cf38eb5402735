/** What a command reads and writes, so that tests can stand in for a terminal. */
import process from "node:process";

export interface Io {
  /** One line, or several; a newline is added. */
  out(text: string): void;
  err(text: string): void;
  stdin(): Promise<string>;
  /** Whether out is a terminal. */
  terminal: boolean;
  /** Whether somebody is there to be asked. */
  interactive: boolean;
  /** Columns of the terminal. */
  width: number;
  env(name: string): string | undefined;
  readTextFile(path: string): Promise<string>;
  /** For its owner's eyes only. */
  writeSecretFile(path: string, text: string): Promise<void>;
  /** Epoch milliseconds. */
  now(): number;
}

export const systemIo: Io = {
  out: (text) => write(process.stdout, text),
  err: (text) => write(process.stderr, text),
  stdin: () => new Response(Deno.stdin.readable).text(),
  terminal: Deno.stdout.isTerminal(),
  interactive: Deno.stdin.isTerminal() && Deno.stdout.isTerminal(),
  width: process.stdout.columns ?? 120,
  env: (name) => Deno.env.get(name),
  readTextFile: (path) => Deno.readTextFile(path),
  writeSecretFile: async (path, text) => {
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    // Also one that was there before.
    await Deno.chmod(path, 0o600);
  },
  now: () => Date.now(),
};

function write(stream: { write(text: string): unknown }, text: string): void {
  stream.write(`${text}\n`);
}
