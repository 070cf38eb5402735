/** Result of a command that has ended. */
export interface CommandResult {
  /** Exit code; 124 after a timeout. */
  code: number;
  stdout: string;
  stderr: string;
}

/** Options of {@link runCommand}. */
export interface CommandOptions {
  /** Text for standard input; without it the command reads an empty input. */
  stdin?: string;
  /** Variables added to the environment. */
  env?: Record<string, string>;
  cwd?: string;
  /** Time in milliseconds after which the command is killed. Default: 60,000. */
  timeoutMs?: number;
}

/**
 * Runs a command and returns its exit code and output. A nonzero exit code is a result, not an exception; a command
 * that can't be started rejects with Deno's error.
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
      // A command may end without reading its input: its exit code then says more than the broken pipe.
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
