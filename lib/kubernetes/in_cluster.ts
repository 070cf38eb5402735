import {
  type ClientConfig,
  type ConfigEnvironment,
  ConfigError,
  type CredentialSource,
  systemEnvironment,
} from "./client_config.ts";
import { fixedCredentials, TokenFile } from "./credentials.ts";
import { impersonation, Kubeconfig, type KubeconfigOverrides, kubeconfigPaths } from "./kubeconfig.ts";

/** Mount path of a pod's service account. */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** True if the kubelet's variables are set, that is, in a pod. */
function isInCluster(env: (name: string) => string | undefined): boolean {
  return !!env("KUBERNETES_SERVICE_HOST") && !!env("KUBERNETES_SERVICE_PORT");
}

/**
 * Returns the configuration that the kubelet gives a pod: its service account's token (read again every minute,
 * because the kubelet rotates it), CA and namespace. Rejects with {@linkcode ConfigError} outside a pod, or if no
 * service account is mounted.
 */
export async function inClusterConfig(environment: ConfigEnvironment = {}): Promise<ClientConfig> {
  const { env, readTextFile } = systemEnvironment(environment);
  if (!isInCluster(env)) {
    throw new ConfigError(
      "This isn't a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set. Set KUBECONFIG to the path of a " +
        "kubeconfig.",
    );
  }
  const source = "service account of this pod";
  const read = async (name: string) => {
    try {
      return (await readTextFile(`${SERVICE_ACCOUNT}/${name}`)).trim();
    } catch (error) {
      throw new ConfigError(
        `${SERVICE_ACCOUNT}/${name} can't be read (${
          (error as Error).message
        }). Give the pod a serviceAccountName and ` +
          `don't set automountServiceAccountToken to false.`,
        { cause: error },
      );
    }
  };
  const host = env("KUBERNETES_SERVICE_HOST")!;
  const credentials: CredentialSource = new TokenFile({ path: `${SERVICE_ACCOUNT}/token`, readTextFile, source });
  const [caCerts, namespace] = await Promise.all([read("ca.crt"), read("namespace"), credentials.current()]);
  return {
    source,
    server: `https://${host.includes(":") ? `[${host}]` : host}:${env("KUBERNETES_SERVICE_PORT")}`,
    caCerts,
    readCaCerts: () => read("ca.crt"),
    namespace,
    credentials,
  };
}

/**
 * Returns the configuration of a program that may run on a computer or in a pod: the kubeconfig in `KUBECONFIG`;
 * otherwise `~/.kube/config`, if it exists; otherwise the pod's service account. A `KUBECONFIG` whose file doesn't
 * exist is an error.
 *
 * @param options.context the kubeconfig's context; default: its current one
 * @param options.overrides values of flags
 */
export async function defaultConfig(
  options: ConfigEnvironment & { context?: string; overrides?: KubeconfigOverrides } = {},
): Promise<ClientConfig> {
  const { env, readTextFile } = systemEnvironment(options);
  const { context, overrides = {} } = options;
  const { namespace, token, as, asUid, asGroups, ...others } = overrides;
  const isOfKubeconfig = context !== undefined || Object.values(others).some((value) => value !== undefined);
  if (!env("KUBECONFIG") && !isOfKubeconfig && isInCluster(env)) {
    const paths = kubeconfigPaths(env);
    const exists = await Promise.all(paths.map((path) => readTextFile(path).then(() => true, () => false)));
    if (!exists.includes(true)) {
      const config = await inClusterConfig(options);
      return {
        ...config,
        ...(namespace === undefined ? {} : { namespace }),
        ...(token === undefined ? {} : { credentials: fixedCredentials({ authorization: `Bearer ${token}` }) }),
        headers: impersonation({ as, "as-uid": asUid, "as-groups": [...asGroups ?? []] }, config.source),
      };
    }
  }
  return await (await Kubeconfig.load(options)).clientConfig(context, overrides);
}
