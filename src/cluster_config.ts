import {
  type ClientConfig,
  type ConfigEnvironment,
  defaultConfig,
  type KubeconfigOverrides,
} from "../lib/kubernetes/mod.ts";
import type { Config } from "./config.ts";

/** Returns the API server's configuration: from the `--kubeconfig` flag, or as {@linkcode defaultConfig} finds it. */
export function clusterConfig(
  { kubeconfig, context }: Pick<Config, "kubeconfig" | "context">,
  environment: ConfigEnvironment & { overrides?: KubeconfigOverrides } = {},
): Promise<ClientConfig> {
  const env = environment.env ?? Deno.env.get;
  return defaultConfig({
    ...environment,
    env: (name) => name === "KUBECONFIG" && kubeconfig !== undefined ? kubeconfig : env(name),
    ...(context === undefined ? {} : { context }),
  });
}
