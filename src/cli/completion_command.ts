import { Argument, Command } from "commander";
import { shellScripts } from "./completion/shell_scripts.ts";
import { usageError } from "./exit.ts";
import type { Io } from "./io.ts";

export const completionCommand = (io: Io): Command =>
  new Command("completion")
    .description("Print a script that completes verbs, flags, and names from the cluster in a shell.")
    .addArgument(new Argument("<shell>", "bash, zsh or fish"))
    .addHelpText(
      "after",
      "\nExamples:\n  source <(keystone completion bash)\n  source <(keystone completion zsh)\n  keystone completion fish | source\n\n" +
        "After kubectl keystone, kubectl's own completion asks kubectl_complete-keystone.",
    )
    .action((shell: string) => {
      const script = Object.hasOwn(shellScripts, shell) ? shellScripts[shell] : undefined;
      if (script === undefined) throw usageError(`The shell ${shell} is not supported. Use bash, zsh or fish.`);
      io.out(script);
    });
