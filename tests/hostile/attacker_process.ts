/** Attackers as separate processes, so that they take no time from the process that measures. */

/** An attacker that runs until it is ended. */
export interface Stranger extends AsyncDisposable {
  /** Ends the attacker; resolves with its output. Rejects when it failed. */
  end(): Promise<string>;
}

/**
 * Starts a program that attacks until its standard input ends. Real strangers have their own processors; here they get
 * the time that other processes leave.
 *
 * @param script URL of the program
 * @param niceness as in nice(1): 19 is the lowest priority, 0 the ordinary one
 */
export function startStranger(script: URL, args: readonly string[], niceness = 19): Stranger {
  const child = new Deno.Command("nice", {
    args: [
      "-n",
      String(niceness),
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      "--frozen",
      "--no-check",
      script.pathname,
      ...args,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let output: Promise<Deno.CommandOutput> | undefined;
  const ended = () =>
    output ??= (async () => {
      // It may have ended by itself; its status then says so.
      await child.stdin.close().catch(() => {});
      return await child.output();
    })();
  return {
    async end() {
      const { success, stdout } = await ended();
      if (!success) throw new Error(`${script.pathname} has failed.`);
      return new TextDecoder().decode(stdout);
    },
    async [Symbol.asyncDispose]() {
      await ended();
    },
  };
}
