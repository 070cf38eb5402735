/** Attackers as processes of their own: what they do costs none of the time of those who measure. */

/** An attacker that goes on until it is ended. */
export interface Stranger extends AsyncDisposable {
  /** Ends it; resolves with what it has printed. Rejects when it has failed. */
  end(): Promise<string>;
}

/**
 * Starts a program of this folder or another one, which attacks until its input ends. Strangers have processors of their
 * own: theirs gets what the others on this machine leave.
 *
 * @param script where it is, as a URL
 * @param niceness how far it stands back: 19 gets nothing that anybody else wants, 0 as much as all others
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
      // It may have ended by itself, which its status tells.
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
