/** The npm package's description of itself. */
import { version } from "../../src/version.ts";

/** Name of the npm package. */
export const packageName = "@keystone-ha/cli";

/** Names of the command. All are one program, so that `npx` knows which one to run. */
export const commandNames = ["keystone", "kubectl-keystone", "kubectl_complete-keystone"] as const;

/** Packages of Deno, of which npm installs the one for the machine. They have no install scripts. */
const runtimes = ["darwin-arm64", "darwin-x64", "linux-arm64-glibc", "linux-x64-glibc"] as const;

/** Returns the content of package.json for this version of Deno. */
export const packageJson = (deno: string): Record<string, unknown> => ({
  name: packageName,
  version,
  description: "The keystone command: lend parts of a Kubernetes cluster to neighbors on a tailnet",
  keywords: ["kubernetes", "kubectl", "kubectl-plugin", "tailscale", "quota"],
  license: "Apache-2.0",
  repository: { type: "git", url: "git+https://github.com/keystone-ha/keystone-operator.git" },
  type: "module",
  bin: Object.fromEntries(commandNames.map((name) => [name, "launcher.js"])),
  os: ["darwin", "linux"],
  cpu: ["arm64", "x64"],
  engines: { node: ">=18" },
  optionalDependencies: Object.fromEntries(runtimes.map((runtime) => [`@deno/${runtime}`, deno])),
});
