/** What a command that has ended left behind. */
export interface CommandResult {
  /** Exit code; 124 when the deadline ended it. */
  code: number;
  stdout: string;
  stderr: string;
}

/** How {@link runCommand} runs a command. */
export interface CommandOptions {
  /** Text for standard input; without it the command reads an empty input. */
  stdin?: string;
  /** Added to the environment. */
  env?: Record<string, string>;
  cwd?: string;
  /** The command is killed after this many milliseconds; 60,000 unless told. */
  timeoutMs?: number;
}

/**
 * Runs a command to its end and returns its code and output. A non-zero code is an answer, not an exception; a command
 * that can't be started at all rejects with Deno's error.
 */
export async function runCommand(
  command: string,
  args: string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { timeoutMs = 60_000 } = options;
  let late = false;
  const child = new Deno.Command(command, {
    args,
    env: options.env ?? {},
    ...(options.cwd ? { cwd: options.cwd } : {}),
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  try {
    if (options.stdin !== undefined) {
      const writer = child.stdin.getWriter();
      // A command may end without having read its input: its exit code then tells more than the broken pipe.
      await writer.write(new TextEncoder().encode(options.stdin)).catch(() => {});
      await writer.close().catch(() => {});
    }
    const output = await child.output();
    const decoder = new TextDecoder();
    const stderr = decoder.decode(output.stderr);
    return {
      code: late ? 124 : output.code,
      stdout: decoder.decode(output.stdout),
      stderr: late ? `${stderr}\n${command} did not end within ${timeoutMs / 1000} s and was killed.` : stderr,
    };
  } finally {
    clearTimeout(timer);
  }
}
