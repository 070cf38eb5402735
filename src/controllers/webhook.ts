/**
 * The webhook's part that is the operator's: its certificates, where the API server finds it, and what the front, which
 * answers reviews in a process of its own, needs for that.
 */
import { isDeepStrictEqual } from "node:util";
import { sleep } from "../../lib/clock/mod.ts";
import { type Next, runController, Store, WorkQueue } from "../../lib/controller/mod.ts";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import {
  AdmissionregistrationV1Api,
  type ValidatingWebhookConfiguration,
  validatingWebhookConfigurations,
} from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { CoreV1Api, type Secret, secrets } from "../../lib/kubernetes_apis/core@v1.ts";
import {
  webhookConfigurationName,
  webhookConfigurationOf,
  webhookName,
  type WebhookPlace,
} from "../core/admission/configuration.ts";
import { frontName, managedBy, managedByLabel, operatorName, systemNamespace } from "../core/names.ts";
import { authoritiesIn, type Certificates, certificatesAt, type Hosts } from "../server/admission/certificates.ts";
import type { HandoverSink } from "../front/handover.ts";
import type { Context } from "./context.ts";
import { withRemedy } from "./remedy.ts";
import { keyIn } from "./stores.ts";
import { reflect, type Watching } from "./watching.ts";

export interface WebhookOptions {
  /** Where the API server reaches it. */
  place: WebhookPlace;
  /** Where the front beside this operator finds its token and its certificate. */
  handover: HandoverSink;
}

interface WebhookLog {
  info(message: string, properties?: Record<string, unknown>): void;
  warn(message: string, properties?: Record<string, unknown>): void;
}

/** The shortest that the API server gives. */
const tokenSeconds = 600;
const retryMs = 5000;
/** API servers hear of a configuration by a watch. */
const spreadMs = 2000;
/** More authorities than ever are trusted at a time. */
const mostAuthorities = 8;

/**
 * Every operator hands over to the front beside it, whether it holds the Lease or not; the leader renews the certificates
 * in the Secret `keystone-webhook`, from which all take them, and tells the API server whom to trust.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #context: Context;
  readonly #watching: Watching;
  readonly #log: WebhookLog;
  readonly #secrets = new Store({ project: certificatesFrom });
  readonly #configurations = new Store({ project: ({ webhooks }: ValidatingWebhookConfiguration) => webhooks ?? [] });
  readonly #queue: WorkQueue<string>;
  /** Authorities that the Secret has had: a front whose operator is away shows certificates of theirs. */
  readonly #seen = new Set<string>();

  /** @param watching its client isn't fenced: observes, and asks for the front's token, which changes nothing in the cluster */
  constructor(context: Context, watching: Watching, options: WebhookOptions, log: WebhookLog) {
    this.#context = context;
    this.#watching = watching;
    this.#options = options;
    this.#log = log;
    this.#queue = new WorkQueue({ clock: context.clock });
    this.#secrets.subscribe(() => {
      this.#queue.add(key);
      this.#handOver();
    });
    this.#configurations.subscribe(() => this.#queue.add(key));
  }

  /** Observes, and hands over, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const watching = (kind: string): Watching => ({
      ...this.#watching,
      onError: (_, error) => this.#log.warn("Can't watch {kind}: {error}", { kind, error: withRemedy(error) }),
      onRecover: () => this.#log.info("Watching {kind} again.", { kind }),
    });
    const named = (name: string) => ({ selector: { fieldSelector: `metadata.name=${name}` } });
    const reflectors = [
      reflect(watching("the webhook's certificates"), secrets, this.#secrets, {
        namespace: systemNamespace,
        ...named(webhookName),
      }),
      reflect(
        watching("the webhook's configuration"),
        validatingWebhookConfigurations,
        this.#configurations,
        named(webhookConfigurationName),
      ),
    ];
    const synced = Promise.all(reflectors.map((each) => each.synced(signal))).then(
      () => this.#queue.add(key),
      () => {},
    );
    await Promise.all([synced, this.#keepToken(signal), ...reflectors.map((each) => each.run(signal))]);
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
    const trusted = this.#trusted(certificates, clock.now());
    const configuration = webhookConfigurationOf(place, trusted);
    // First, and some time before: whatever a front shows next is trusted by then, by each API server.
    const before = this.#configurations.get(webhookConfigurationName);
    if (!isDeepStrictEqual(before, configuration.webhooks)) {
      const api = new AdmissionregistrationV1Api(rest).validatingWebhookConfigurations;
      this.#configurations.observe(await api.apply(configuration, options));
      if (before && !isDeepStrictEqual(certificates, present)) await sleep(clock, spreadMs, signal);
      if (signal.aborted) return {};
    }
    if (!isDeepStrictEqual(certificates, present)) {
      const api = new CoreV1Api(rest).namespace(systemNamespace).secrets;
      this.#secrets.observe(await api.apply(secretOf(certificates), options));
      this.#log.info("The webhook has a new certificate.");
    }
    return { wakeAt };
  }

  /** The authorities of now, and those before them that certificates may still be of. */
  #trusted({ authorities }: Certificates, now: number): string {
    const current = authoritiesIn(authorities, now);
    for (const each of current) this.#seen.add(each);
    const earlier = authoritiesIn([...this.#seen].join("\n"), now).filter((each) => !current.includes(each));
    return [...current, ...earlier.slice(-mostAuthorities)].join("\n");
  }

  /** Hands over the certificate that is there now. */
  #handOver(): void {
    const certificates = this.#secrets.get(keyIn(systemNamespace, webhookName));
    if (!certificates) return;
    for (const each of authoritiesIn(certificates.authorities, this.#context.clock.now())) this.#seen.add(each);
    const { certificate, key } = certificates;
    if (certificate !== "" && key !== "") this.#put({ serving: { certificate, key } });
  }

  /** Renews the front's token at two thirds of its time. */
  async #keepToken(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    let said: string | undefined;
    while (!signal.aborted) {
      let waitMs = retryMs;
      try {
        await this.#put({ token: await requestToken(this.#watching.rest, signal) });
        waitMs = tokenSeconds * 1000 * 2 / 3;
        said = undefined;
      } catch (error) {
        const sentence = isApiError(error, 404) || isApiError(error, 403)
          ? `${error.message.replace(/[.;]?$/, "")}. Bring the front's account and the right to its tokens: ` +
            `kubectl apply -k deploy/kustomize/webhook; trying again.`
          : withRemedy(error);
        if (!signal.aborted && sentence !== said) {
          this.#log.warn("The admission webhook has no identity: {error}", { error: said = sentence });
        }
      }
      await sleep(clock, waitMs, signal);
    }
  }

  /** What can't be written is said; nothing but the webhook waits for it. */
  async #put(change: Parameters<HandoverSink["put"]>[0]): Promise<void> {
    try {
      await this.#options.handover.put(change);
    } catch (error) {
      this.#log.warn("Nothing can be handed over to the admission webhook: {error}", { error: String(error) });
    }
  }
}

/** Asks for a token of the front's own account. */
async function requestToken(rest: RestClient, signal: AbortSignal): Promise<string> {
  const answer = await rest.performRequest({
    method: "POST",
    path: `/api/v1/namespaces/${systemNamespace}/serviceaccounts/${frontName}/token`,
    bodyJson: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { expirationSeconds: tokenSeconds },
    },
    abortSignal: signal,
  }) as { status?: { token?: string } } | undefined;
  const token = answer?.status?.token;
  if (!token) throw new Error(`The API server answered without a token of ${systemNamespace}/${frontName}`);
  return token;
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
