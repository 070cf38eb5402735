/**
 * The operator's part of the webhook: its certificates, its configuration in the API server, and the handover to the
 * front, a separate process that answers reviews.
 */
import { sleep } from "../../lib/clock/mod.ts";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { validatingWebhookConfigurations } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { secrets } from "../../lib/kubernetes_apis/core@v1.ts";
import { webhookConfigurationName, webhookName, type WebhookPlace } from "../core/admission/configuration.ts";
import { frontName, systemNamespace } from "../core/names.ts";
import { authoritiesIn } from "../server/admission/serving_certificates.ts";
import type { HandoverSink } from "../front/handover.ts";
import type { Context } from "./context.ts";
import type { FailureReports } from "./failure_reports.ts";
import type { Log } from "./operator_log.ts";
import { withRemedy } from "./remedy.ts";
import { keyIn } from "./stores.ts";
import { reflect, type Watching } from "./watching.ts";
import type { Pending, WebhookMemory } from "./webhook_secret.ts";

export interface WebhookOptions {
  /** Address at which the API server reaches the webhook. */
  place: WebhookPlace;
  /** Passes token and certificate to the front beside this operator. */
  handover: HandoverSink;
}

/** The shortest lifetime that the API server issues. */
const tokenSeconds = 600;
const retryMs = 5000;

/**
 * Hands token and certificate over to the front beside this operator, whether it holds the Lease or not. The leader
 * renews the certificates in the Secret `keystone-webhook`, which all operators read, and configures the API server
 * to trust them.
 */
export class Webhook implements WebhookMemory {
  readonly #options: WebhookOptions;
  readonly #context: Context;
  readonly #watching: Watching;
  readonly #log: Log;
  readonly #failures: Pick<FailureReports, "report">;
  /** Authorities that the Secret has had: a front whose operator is down may still serve their certificates. */
  readonly seen = new Set<string>();
  /** New certificates that wait until all API servers trust their authority. */
  pending: Pending | undefined;
  #isPresent = false;

  /**
   * @param watching its client isn't fenced: it only watches and requests the front's token, which changes no object
   */
  constructor(
    context: Context,
    watching: Watching,
    options: WebhookOptions,
    { log, failures }: { log: Log; failures: Pick<FailureReports, "report"> },
  ) {
    this.#context = context;
    this.#watching = watching;
    this.#options = options;
    this.#log = log;
    this.#failures = failures;
    context.stores.certificates.subscribe(() => this.#handOver());
  }

  /** Watches and hands over until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const watching = (kind: string): Watching => ({
      ...this.#watching,
      onError: (_, error) => this.#watching.onError(kind, error),
      onRecover: () => this.#watching.onRecover(kind),
    });
    const { certificates, webhooks } = this.#context.stores;
    const named = (name: string) => ({ selector: { fieldSelector: `metadata.name=${name}` } });
    const reflectors = [
      reflect(watching("the webhook's certificates"), secrets, certificates, {
        namespace: systemNamespace,
        ...named(webhookName),
      }),
      reflect(
        watching("the webhook's configuration"),
        validatingWebhookConfigurations,
        webhooks,
        named(webhookConfigurationName),
      ),
    ];
    const synced = Promise.all(reflectors.map((each) => each.synced(signal))).then(
      () => {
        this.#isPresent = true;
        this.#context.signals.webhook.emit();
      },
      () => {},
    );
    await Promise.all([synced, this.#keepToken(signal), ...reflectors.map((each) => each.run(signal))]);
  }

  /** True once the existing certificates and configuration have been read. */
  get isPresent(): boolean {
    return this.#isPresent;
  }

  /** Address at which the API server reaches the webhook. */
  get place(): WebhookPlace {
    return this.#options.place;
  }

  /** Reports a new certificate. */
  renewed(): void {
    this.pending = undefined;
    this.#log.info("The webhook has a new certificate.");
  }

  /** Hands over the current certificate. */
  #handOver(): void {
    const certificates = this.#context.stores.certificates.get(keyIn(systemNamespace, webhookName));
    if (!certificates) return;
    for (const each of authoritiesIn(certificates.authorities, this.#context.clock.now())) this.seen.add(each);
    const { certificate, key } = certificates;
    if (certificate !== "" && key !== "") this.#put({ serving: { certificate, key } });
  }

  /** Renews the front's token after two thirds of its lifetime. */
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
          ? `${error.message.replace(/[.;]?$/, "")}. Create the front's account and the permission for its tokens: ` +
            `kubectl apply -k deploy/kustomize/webhook; trying again.`
          : withRemedy(error);
        if (!signal.aborted && sentence !== said) {
          said = sentence;
          this.#failures.report(
            error,
            () => this.#log.warn("Can't get a token for the admission webhook: {error}", { error: sentence }),
          );
        }
      }
      await sleep(clock, waitMs, signal);
    }
  }

  /** Hands over a change. A failure is logged; only the webhook depends on it. */
  async #put(change: Parameters<HandoverSink["put"]>[0]): Promise<void> {
    try {
      await this.#options.handover.put(change);
    } catch (error) {
      this.#log.warn("Can't hand data over to the admission webhook: {error}", { error: String(error) });
    }
  }
}

/** Requests a token for the front's account. */
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
  if (!token) throw new Error(`The API server's response has no token for ${systemNamespace}/${frontName}`);
  return token;
}
