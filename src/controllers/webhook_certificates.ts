/** The webhook loop, of one key: renews the webhook's certificates, and tells the API server whom to trust. */
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

/** API servers hear of a configuration by a watch. */
const spreadMs = 2000;
/** More authorities than ever are trusted at a time. */
const mostAuthorities = 8;

interface CertificatesWorld {
  place: WebhookPlace;
  /** As the Secret has them. */
  present: Certificates | undefined;
  /** As the API server calls the webhook; undefined: it doesn't. */
  configured: readonly ValidatingWebhook[] | undefined;
  /** Authorities that the Secret has had. */
  seen: ReadonlySet<string>;
  pending: Pending | undefined;
  /** Those to use from now on, and when that is to be asked again; absent until they were made. */
  certificates?: Certificates;
  renewAt?: number;
  /** Epoch milliseconds. */
  now: number;
}

interface CertificatesPlan extends Plan {
  /** Certificates that wait. */
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
    // Another operator may have renewed them meanwhile.
    pending: pending && isDeepStrictEqual(pending.present, present) ? pending : undefined,
    now: clock.now(),
  };
}

/** Those that are there, or wait, as long as they are good; else new ones. */
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
 * The configuration first, and some time before the certificate: whatever a front shows next is trusted by then, by each
 * API server.
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

/** The authorities of now, and those before them that certificates may still be of. */
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
