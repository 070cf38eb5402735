import type { Command } from "commander";
import { dump } from "js-yaml";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { type Grant, KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { RbacAuthorizationV1Api, type RoleBinding } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { accountOf } from "../core/realm/account.ts";
import { accountAnnotation, guestNamespace, guestRole, ownerLabels, systemNamespace } from "../core/names.ts";
import { no, usageError } from "./exit.ts";
import { spanFrom } from "./time_flags.ts";
import { defaultLifetime, longestSeconds, shortestSeconds, validitySentences } from "./token_lifetime.ts";
import { type CommandAction, verb } from "./session.ts";

export const kubeconfigCommand = (run: CommandAction): Command =>
  verb("kubeconfig", "Create a kubeconfig for the people of a realm, limited to their guest namespace.", [
    "keystone realm kubeconfig bob-home > bob.kubeconfig",
    "keystone realm kubeconfig bob-home --server https://alice-home.tailnet-name.ts.net:6443 --out bob.kubeconfig",
    "keystone realm kubeconfig bob-home --for 8h --proxy-url socks5://127.0.0.1:1055",
  ], { ownServer: true })
    .argument("<realm>", "realm whose people get it")
    .option("--for <span>", "lifetime of the token (default: until the last grant ends; 30d if it has no end)")
    .option("--server <url>", "URL under which the realm reaches the API server (default: your kubeconfig's)")
    .option("--ca-file <path>", "PEM file of the API server's certificate authority (default: your kubeconfig's)")
    .option("--proxy-url <url>", "URL of the proxy to the API server: http, https or socks5")
    .option("--out <path>", "output file, readable by its owner only")
    .action(run(async (session, options, name) => {
      const realm = String(name);
      const seconds = options.for === undefined ? undefined : spanFrom("--for", String(options.for)) / 1000;
      if (seconds !== undefined && seconds < shortestSeconds) {
        throw usageError(`--for is ${options.for}. It must be at least 10m.`);
      }
      const server = serverOf(options.server);
      const proxy = proxyOf(options.proxyUrl);
      const config = await session.clusterConfig();
      const authority = options.caFile === undefined
        ? config.caCerts
        : await session.io.readTextFile(String(options.caFile)).catch((error) => {
          throw usageError(`--ca-file ${options.caFile} can't be read: ${(error as Error).message}.`);
        });
      using rest = await session.connect();
      const account = await accountFor(rest, realm);
      const lifetime = seconds === undefined
        ? defaultLifetime(realm, await grantsIfReadable(rest), session.io.now())
        : { seconds, because: "" };
      const { token, ...issued } = await makeToken(rest, account, Math.min(lifetime.seconds, longestSeconds));
      const url = server ?? config.server;
      const kubeconfig = kubeconfigOf(realm, { url, authority, proxy, token });
      warn(url);
      session.note(validitySentences(realm, lifetime, issued));
      if (options.out !== undefined) {
        await session.io.writeSecretFile(String(options.out), dump(kubeconfig, { lineWidth: -1 }));
        return session.note(`Written to ${options.out}. Try it: kubectl --kubeconfig ${options.out} get pods`);
      }
      if (!session.data(kubeconfig)) session.raw(dump(kubeconfig, { lineWidth: -1 }).trimEnd());

      function warn(url: string): void {
        const { hostname } = new URL(url);
        if (!/^(localhost|127\.|\[?::1)/.test(hostname)) return;
        session.warn(
          `${url} is a loopback address, which the realm can't reach. ` +
            "Set --server to the URL under which the realm reaches the API server.",
        );
      }
    }));

function serverOf(text: unknown): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(String(text));
  if (url?.protocol !== "https:") throw usageError(`--server is ${text}. It must be https://HOST:PORT.`);
  return url.href.replace(/\/$/, "");
}

/** Parses a proxy's URL. */
export function proxyOf(text: unknown): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(String(text));
  if (!url || !["http:", "https:", "socks5:"].includes(url.protocol)) {
    throw usageError(`--proxy-url is ${text}. It must be http://HOST:PORT or socks5://HOST:PORT.`);
  }
  return url.href.replace(/\/$/, "");
}

/** Returns the name of the realm's account, which it creates if it does not exist. */
async function accountFor(rest: RestClient, realm: string): Promise<string> {
  const binding = await bindingOf(rest, realm);
  const record = binding.metadata?.annotations?.[accountAnnotation];
  const account = record === undefined ? undefined : accountOf(realm, record);
  if (!account || !binding.subjects?.some(({ kind, name }) => kind === "ServiceAccount" && name === account.name)) {
    throw no(
      `The RoleBinding of the guests in ${
        guestNamespace(realm)
      } has no account in its annotation ${accountAnnotation}: the ` +
        "operator is older than this command. Upgrade the operator.",
    );
  }
  const { name, owner } = account;
  try {
    await new CoreV1Api(rest).namespace(systemNamespace).serviceAccounts.create({
      metadata: { name, labels: ownerLabels(realm), ownerReferences: [owner] },
      automountServiceAccountToken: false,
    });
  } catch (error) {
    if (!isApiError(error, 409)) throw error;
  }
  return name;
}

/** Returns the guests' RoleBinding, which exists only while a grant is in force. */
async function bindingOf(rest: RestClient, realm: string): Promise<RoleBinding> {
  try {
    return await new RbacAuthorizationV1Api(rest).namespace(guestNamespace(realm)).roleBindings.get(guestRole);
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    // The Realm is read only for a better message. A SuperEntity has none.
    await new KeystoneV1alpha1Api(rest).realms.get(realm).catch((error) => {
      if (isApiError(error, 404) && error.details?.name === realm) throw no(`Realm ${realm} does not exist.`);
      throw error;
    });
    throw no(
      `No grant to ${realm} is in force, so there is no access to give. See: keystone grant list --realm ${realm}`,
    );
  }
}

/** Returns all Grants; undefined if the user may not read them. */
async function grantsIfReadable(rest: RestClient): Promise<Grant[] | undefined> {
  try {
    return await new KeystoneV1alpha1Api(rest).grants.all();
  } catch (error) {
    if (isApiError(error, 403)) return undefined;
    throw error;
  }
}

async function makeToken(rest: RestClient, account: string, expirationSeconds: number) {
  const { spec, status } = await rest.performRequest({
    method: "POST",
    path: `/api/v1/namespaces/${systemNamespace}/serviceaccounts/${account}/token`,
    bodyJson: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { expirationSeconds },
    },
  }) as { spec: { expirationSeconds: number }; status: { token: string; expirationTimestamp: string } };
  return { token: status.token, expires: status.expirationTimestamp, given: spec.expirationSeconds };
}

function kubeconfigOf(
  realm: string,
  { url, authority, proxy, token }: {
    url: string;
    authority: string | undefined;
    proxy: string | undefined;
    token: string;
  },
) {
  const name = `keystone-${realm}`;
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{
      name,
      cluster: {
        server: url,
        ...(authority ? { "certificate-authority-data": new TextEncoder().encode(authority).toBase64() } : {}),
        ...(proxy ? { "proxy-url": proxy } : {}),
      },
    }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: guestNamespace(realm) } }],
  };
}
