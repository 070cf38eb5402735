/** A program on a separate terminal, which script(1) makes. */
export interface TerminalRun {
  /** Resolves with its exit code. */
  ended: Promise<number>;
  /** Types letters. */
  type(text: string): Promise<void>;
  /** Closes the terminal, which ends the program. */
  close(): void;
}

/** Starts a shell command on a terminal; `onText` gets its output as it comes. */
export function runOnTerminal(command: string, { columns, cwd, env = {}, echo = false, onText }: {
  columns: number;
  /** True if the terminal shows what is typed, where the program doesn't. */
  echo?: boolean;
  cwd: string;
  env?: Record<string, string>;
  onText: (text: string) => void;
}): TerminalRun {
  const child = new Deno.Command("script", {
    args: [
      "--quiet",
      "--flush",
      "--return",
      "--command",
      `stty cols ${columns} rows 60 ${echo ? "echo" : "-echo"}; ${command}`,
      "/dev/null",
    ],
    cwd,
    // script(1) starts the user's shell, and shells differ.
    env: { SHELL: "/bin/sh", TERM: "xterm-256color", COLUMNS: String(columns), ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  const read = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) onText(text);
  })();
  return {
    ended: (async () => {
      await read;
      const { code } = await child.status;
      await writer.close().catch(() => {});
      return code;
    })(),
    async type(text) {
      await writer.write(new TextEncoder().encode(text));
    },
    close: () => child.kill("SIGTERM"),
  };
}
