/** The webhook: serves admission reviews with certificates of its own, and tells the API server where and how. */
import { isDeepStrictEqual } from "node:util";
import { type Next, Reflector, runController, Store, WorkQueue } from "../../lib/controller/mod.ts";
import { ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import {
  type ValidatingWebhookConfiguration,
  validatingWebhookConfigurations,
} from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { limitRangeName, quotaName } from "../core/guest/objects.ts";
import { type Secret, secrets } from "../../lib/kubernetes_apis/core@v1.ts";
import { type AdmissionWorld, answerTo } from "../core/admission/answer.ts";
import {
  webhookConfigurationName,
  webhookConfigurationOf,
  webhookName,
  webhookPath,
  type WebhookPlace,
} from "../core/admission/configuration.ts";
import { managedBy, managedByLabel, operatorName, realmOfNamespace, systemNamespace } from "../core/names.ts";
import { type Certificates, certificatesAt, type Hosts } from "../server/admission/certificates.ts";
import { createReviewer, type ReviewRecord } from "../server/admission/review.ts";
import { TlsServer } from "../server/admission/tls_server.ts";
import type { Context } from "./context.ts";
import { poolingOf } from "./pools.ts";
import { withRemedy } from "./remedy.ts";
import { keyIn } from "./stores.ts";

export interface WebhookOptions {
  /** Where the API server reaches it. */
  place: WebhookPlace;
  /** Where it listens; without a hostname on all addresses. */
  hostname?: string;
  port: number;
  onReview?: (record: ReviewRecord) => void;
}

interface WebhookLog {
  info(message: string, properties?: Record<string, unknown>): void;
  warn(message: string, properties?: Record<string, unknown>): void;
}

/**
 * Every operator serves, whether it holds the Lease or not; who holds it renews the certificates in the Secret
 * `keystone-webhook`, from which all take them.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #context: Context;
  readonly #rest: RestClient;
  readonly #log: WebhookLog;
  readonly #secrets = new Store({ project: certificatesFrom });
  readonly #configurations = new Store({ project: ({ webhooks }: ValidatingWebhookConfiguration) => webhooks ?? [] });
  readonly #queue: WorkQueue<string>;
  readonly #answer: (request: Request) => Promise<Response>;
  #server: Promise<TlsServer | undefined> | undefined;

  /** @param rest not fenced: to observe */
  constructor(context: Context, rest: RestClient, options: WebhookOptions, log: WebhookLog) {
    this.#context = context;
    this.#rest = rest;
    this.#options = options;
    this.#log = log;
    this.#queue = new WorkQueue({ clock: context.clock });
    const review = createReviewer({
      judge: (question) => answerTo(question, admissionWorld(context)),
      ...(options.onReview ? { onReview: options.onReview } : {}),
      onError: (error) => log.warn("An admission review could not be judged: {error}", { error: String(error) }),
    });
    this.#answer = (request) =>
      new URL(request.url).pathname === webhookPath
        ? review(request)
        : Promise.resolve(new Response(`There is only ${webhookPath}.\n`, { status: 404 }));
    this.#secrets.subscribe(() => {
      this.#queue.add(key);
      this.#serve();
    });
    this.#configurations.subscribe(() => this.#queue.add(key));
  }

  /** Observes, and serves once there is a certificate, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const watching = (kind: string) => ({
      clock,
      onError: (error: unknown) => this.#log.warn("Can't watch {kind}: {error}", { kind, error: withRemedy(error) }),
      onRecover: () => this.#log.info("Watching {kind} again.", { kind }),
    });
    const reflectors = [
      new Reflector({
        api: new ResourceApi<Secret>(this.#rest, secrets, systemNamespace),
        store: this.#secrets,
        selector: { fieldSelector: `metadata.name=${webhookName}` },
        ...watching("the webhook's certificates"),
      }),
      new Reflector({
        api: new ResourceApi<ValidatingWebhookConfiguration>(this.#rest, validatingWebhookConfigurations),
        store: this.#configurations,
        selector: { fieldSelector: `metadata.name=${webhookConfigurationName}` },
        ...watching("the webhook's configuration"),
      }),
    ];
    const synced = Promise.all(reflectors.map((each) => each.synced(signal))).then(
      () => this.#queue.add(key),
      () => {},
    );
    await Promise.all([synced, ...reflectors.map((each) => each.run(signal))]);
    await (await this.#server)?.[Symbol.asyncDispose]();
  }

  /** Keeps certificates and configuration as they should be, while this operator holds the Lease. */
  async lead(signal: AbortSignal): Promise<void> {
    this.#queue.add(key);
    await runController({
      name: "webhook",
      queue: this.#queue,
      concurrency: 1,
      reconcile: (_, signal) => this.#reconcile(signal),
      onError: ({ error }) => this.#log.warn("The webhook: {error}", { error: withRemedy(error) }),
      clock: this.#context.clock,
      signal,
    });
  }

  async #reconcile(signal: AbortSignal): Promise<Next> {
    const { rest, clock } = this.#context;
    const { place } = this.#options;
    const present = this.#secrets.get(keyIn(systemNamespace, webhookName));
    const { certificates, wakeAt } = await certificatesAt(present, hostsOf(place), clock.now());
    const options = { fieldManager: operatorName, force: true, signal };
    if (!isDeepStrictEqual(certificates, present)) {
      const api = new ResourceApi<Secret>(rest, secrets, systemNamespace);
      this.#secrets.observe(await api.apply(secretOf(certificates), options));
      this.#log.info("The webhook has a new certificate.");
    }
    const configuration = webhookConfigurationOf(place, certificates.authorities);
    if (!isDeepStrictEqual(this.#configurations.get(webhookConfigurationName), configuration.webhooks)) {
      const api = new ResourceApi<ValidatingWebhookConfiguration>(rest, validatingWebhookConfigurations);
      this.#configurations.observe(await api.apply(configuration, options));
    }
    return { wakeAt };
  }

  /** Takes the certificate that is there now. */
  #serve(): void {
    const certificates = this.#secrets.get(keyIn(systemNamespace, webhookName));
    if (!certificates || certificates.certificate === "") return;
    this.#server = this.#served(this.#server, certificates);
  }

  async #served(
    before: Promise<TlsServer | undefined> | undefined,
    certificates: Certificates,
  ): Promise<TlsServer | undefined> {
    const { hostname, port } = this.#options;
    const server = await before;
    try {
      if (server) {
        server.use(certificates);
        return server;
      }
      const opened = await TlsServer.listen(certificates, {
        ...(hostname === undefined ? {} : { hostname }),
        port,
        answer: this.#answer,
      });
      this.#log.info("The admission webhook listens on port {port}.", { port: opened.port });
      return opened;
    } catch (error) {
      this.#log.warn(
        "The admission webhook can't be served on port {port}: {error}. Quota and policies hold without it.",
        {
          port,
          error: error instanceof Error ? error.message : String(error),
        },
      );
      return server;
    }
  }
}

const key = "webhook";

const fields = { authorities: "ca.crt", authorityKeys: "ca.key", certificate: "tls.crt", key: "tls.key" } as const;

/** Texts that aren't there, or aren't base64, are as good as none: they are made anew. */
function certificatesFrom({ data }: Secret): Certificates {
  const text = (name: keyof typeof fields): string => {
    try {
      return new TextDecoder().decode(Uint8Array.fromBase64(data?.[fields[name]] ?? ""));
    } catch {
      return "";
    }
  };
  return {
    authorities: text("authorities"),
    authorityKeys: text("authorityKeys"),
    certificate: text("certificate"),
    key: text("key"),
  };
}

const secretOf = (certificates: Certificates): Secret => ({
  metadata: { name: webhookName, namespace: systemNamespace, labels: { [managedByLabel]: managedBy } },
  type: "kubernetes.io/tls",
  data: Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      field,
      new TextEncoder().encode(certificates[name as keyof Certificates]).toBase64(),
    ]),
  ),
});

function hostsOf(place: WebhookPlace): Hosts {
  if ("service" in place) {
    const name = `${webhookName}.${systemNamespace}`;
    return { dns: [`${name}.svc`, `${name}.svc.cluster.local`, name], ip: [] };
  }
  const host = new URL(place.url).hostname.replace(/^\[|\]$/g, "");
  return /^[\d.]+$|:/.test(host) ? { dns: [], ip: [host] } : { dns: [host], ip: [] };
}

/** What the stores know, as answers need it. */
export function admissionWorld(context: Context): AdmissionWorld {
  const { stores, cluster, settings, local, clock } = context;
  return {
    settings,
    cluster: cluster.facts,
    local: local(),
    nodes: cluster.nodeCount,
    realmNamed: (name) => stores.realms.get(name),
    isCollective: (name) => poolingOf(context).entityNamed(name) !== undefined,
    realms: () => stores.realms.list(),
    grantsTo: (realm) => stores.grants.index("grantee", realm),
    guest: (namespace) => {
      const realm = realmOfNamespace(namespace);
      const quota = stores.quotas.get(keyIn(namespace, quotaName));
      if (realm === undefined || !quota) return undefined;
      return {
        quota,
        limits: stores.limitRanges.get(keyIn(namespace, limitRangeName))?.limits ?? [],
        grants: stores.grants.index("grantee", realm),
      };
    },
    now: clock.now(),
  };
}
