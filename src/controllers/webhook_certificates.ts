/**
 * The webhook loop, with a single key: renews the webhook's certificates and configures the API server to trust them.
 */
import { isDeepStrictEqual } from "node:util";
import type { ValidatingWebhook } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import {
  webhookConfigurationName,
  webhookConfigurationOf,
  webhookName,
  type WebhookPlace,
} from "../core/admission/configuration.ts";
import { effectsOf, type Plan, stagesOf, writtenBy } from "../core/effects.ts";
import { earliest } from "../core/instants.ts";
import { systemNamespace } from "../core/names.ts";
import { type ApplyOutcome, defineLoop } from "../engine/loop.ts";
import {
  authoritiesIn,
  type Certificates,
  certificatesAt,
  type Hosts,
} from "../server/admission/serving_certificates.ts";
import type { Context } from "./context.ts";
import { keyIn } from "./stores.ts";
import { onStore } from "./sources.ts";
import { type Pending, secretOf } from "./webhook_secret.ts";

/** Time for the API servers to receive a new configuration by their watch. */
const spreadMs = 2000;
/** Maximum number of trusted authorities; more are never needed at a time. */
const mostAuthorities = 8;

interface CertificatesWorld {
  place: WebhookPlace;
  /** The certificates in the Secret. */
  present: Certificates | undefined;
  /** The existing webhook configuration; undefined: there is none. */
  configured: readonly ValidatingWebhook[] | undefined;
  /** Authorities that the Secret has had. */
  seen: ReadonlySet<string>;
  pending: Pending | undefined;
  /** Certificates to use from now on, with the next renewal; absent until they were made. */
  certificates?: Certificates;
  renewAt?: number;
  /** Epoch milliseconds. */
  now: number;
}

interface CertificatesPlan extends Plan {
  /** New certificates that wait for their authority to be trusted. */
  pending?: Pending;
}

const one = (_: unknown, { webhook }: Context): string[] => webhook?.isPresent ? [webhookName] : [];

export const webhookLoop = defineLoop({
  name: "webhook",
  keyName: "secret",
  concurrency: 1,
  keys: (context: Context) => one(undefined, context),
  triggers: [onStore("webhook", one), onStore("certificates", one), onStore("webhooks", one)],
  observe: observeCertificates,
  plan: planCertificates,
  find: makeCertificates,
  reserve: ({ webhook }: Context, { certificates, now }) => {
    for (const each of authoritiesIn(certificates?.authorities ?? "", now)) webhook!.seen.add(each);
  },
  confirm: confirmCertificates,
});

function observeCertificates({ webhook, stores, clock }: Context): CertificatesWorld | undefined {
  if (!webhook) return undefined;
  const { place, seen, pending } = webhook;
  const present = stores.certificates.get(keyIn(systemNamespace, webhookName));
  return {
    place,
    present,
    configured: stores.webhooks.get(webhookConfigurationName),
    seen,
    // Another operator may have renewed them in the meantime.
    pending: pending && isDeepStrictEqual(pending.present, present) ? pending : undefined,
    now: clock.now(),
  };
}

/** Returns the existing or pending certificates while they are valid, otherwise new ones. */
function makeCertificates(
  _: Context,
  { certificates, pending, present, place, now }: CertificatesWorld,
): Promise<Partial<CertificatesWorld>> | undefined {
  if (certificates) return undefined;
  return certificatesAt(pending?.certificates ?? present, hostsOf(place), now).then(({ certificates, wakeAt }) => ({
    certificates,
    renewAt: wakeAt,
  }));
}

/**
 * Plans the configuration first and the certificate some time later, so that every API server trusts a certificate
 * before a front serves it.
 */
function planCertificates(world: CertificatesWorld): CertificatesPlan {
  const { place, present, configured, pending, certificates, renewAt, now } = world;
  if (!certificates) return { stages: [] };
  const configuration = webhookConfigurationOf(place, trusted(world, certificates));
  const isNew = !isDeepStrictEqual(certificates, present);
  const isTrusted = isDeepStrictEqual(configured, configuration.webhooks);
  const from = isTrusted ? pending?.from ?? now : configured ? now + spreadMs : now;
  const waits = isNew && now < from;
  return {
    stages: stagesOf("open", [
      isTrusted ? [] : [{ apply: { ...head, ...configuration } }],
      isNew && !waits ? [{ apply: secretOf(certificates) }] : [],
    ]),
    ...(waits ? { pending: { present, certificates, from } } : {}),
    wakeAt: earliest(renewAt, waits ? from : undefined)!,
  };
}

const head = { apiVersion: "admissionregistration.k8s.io/v1", kind: "ValidatingWebhookConfiguration" } as const;

/** Returns the current authorities and earlier ones that a served certificate may still depend on. */
function trusted({ seen, now }: CertificatesWorld, { authorities }: Certificates): string {
  const current = authoritiesIn(authorities, now);
  const earlier = authoritiesIn([...seen].join("\n"), now).filter((each) => !current.includes(each));
  return [...current, ...earlier.slice(-mostAuthorities)].join("\n");
}

function confirmCertificates(
  { webhook }: Context,
  { plan, failed }: ApplyOutcome<CertificatesWorld, CertificatesPlan>,
): void {
  if (plan.pending) webhook!.pending = plan.pending;
  else if (failed.length === 0 && effectsOf(plan).some((effect) => writtenBy(effect)?.kind === "Secret")) {
    webhook!.renewed();
  }
}

function hostsOf(place: WebhookPlace): Hosts {
  if ("service" in place) {
    const name = `${webhookName}.${systemNamespace}`;
    return { dns: [`${name}.svc`, `${name}.svc.cluster.local`, name], ip: [] };
  }
  const host = new URL(place.url).hostname.replace(/^\[|\]$/g, "");
  return /^[\d.]+$|:/.test(host) ? { dns: [], ip: [host] } : { dns: [host], ip: [] };
}
