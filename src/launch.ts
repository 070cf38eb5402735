/**
 * `deno task run`: starts the operator, or with `uninstall` what takes its hands off the cluster, with just the
 * permissions that its settings need. Which API server, which files
 * and which credential plugin those are is only known from the kubeconfig, so it is read here first.
 */
import { clusterConfig } from "./cluster.ts";
import { type Config, environment, readConfig } from "./config.ts";
import { hostPort, readServers } from "./dns/names.ts";
import { listenHosts } from "./server/listen.ts";

/** Deno's permission flags for an operator with this configuration. */
export async function permissions(config: Config): Promise<string[]> {
  const reads = new Set<string>();
  const runs = new Set<string>();
  const variables = new Set<string>(environment);
  const cluster = await clusterConfig(config, {
    env: (name) => {
      variables.add(name);
      return Deno.env.get(name);
    },
    readTextFile: (path) => {
      reads.add(path);
      return Deno.readTextFile(path);
    },
    // Only noted: to run a plugin is the operator's business.
    runCommand: (command) => {
      runs.add(command);
      return Promise.resolve({ code: 1, stdout: "", stderr: "" });
    },
  });
  // Token files and plugins are used when they are needed; needing them once shows which they are. What goes wrong is
  // the operator's to say.
  await cluster.credentials.current().catch(() => {});
  const hosts = [cluster.server, ...(cluster.proxyUrl ? [cluster.proxyUrl] : [])].map(hostOf);
  hosts.push(...(await readServers()).map(hostPort));
  reads.add("/etc/resolv.conf");
  const { socket, listen, webhook } = config;
  if (listen) hosts.push(...listenHosts(listen));
  if (webhook) hosts.push(...listenHosts(webhook));
  if (config.config) reads.add(config.config);
  if (socket) {
    hosts.push(`unix:${socket}`, "local-tailscaled.sock:80");
    reads.add(socket);
  }
  return [
    `--allow-net=${hosts.join(",")}`,
    `--allow-read=${[...reads].join(",")}`,
    ...(socket ? [`--allow-write=${socket}`] : []),
    ...(runs.size > 0 ? [`--allow-run=${[...runs].join(",")}`] : []),
    `--allow-env=${[...variables].join(",")}`,
    "--allow-sys=hostname",
  ];
}

/**
 * What an answer of the API server leaves behind is garbage at once. V8 would let its nursery for it grow to 3 × 16 MB and
 * more beside; with this one 12,000 writes leave 108 MB resident in place of 163, in no more time.
 */
const smallNursery = "--v8-flags=--max-semi-space-size=4";

function hostOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === "http:" ? 80 : 443)}`;
}

/** The operator as a command, before it is spawned; with the argument `uninstall` first, what takes it away. */
export async function operatorCommand(
  given: readonly string[],
  options: Deno.CommandOptions = {},
): Promise<Deno.Command> {
  const uninstall = given[0] === "uninstall";
  const args = uninstall ? given.slice(1) : given;
  const config = readConfig(args, (name) => options.env?.[name] ?? Deno.env.get(name), Deno.stderr.isTerminal());
  const path = (relative: string) => new URL(relative, import.meta.url).pathname;
  return new Deno.Command(Deno.execPath(), {
    ...options,
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--frozen",
      smallNursery,
      `--config=${path("../deno.json")}`,
      ...(config.help ? [`--allow-env=${environment.join(",")}`] : await permissions(config)),
      path(uninstall ? "uninstall.ts" : "main.ts"),
      ...args,
    ],
  });
}

if (import.meta.main) {
  // A task runs in the project's folder; relative paths are meant from where the user is.
  const cwd = Deno.env.get("INIT_CWD") ?? Deno.cwd();
  Deno.chdir(cwd);
  try {
    const child = (await operatorCommand(Deno.args, { cwd })).spawn();
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      Deno.addSignalListener(signal, () => {
        // Gone already: its status says so.
        try {
          child.kill("SIGTERM");
        } catch { /* nothing to stop */ }
      });
    }
    Deno.exit((await child.status).code);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(2);
  }
}
