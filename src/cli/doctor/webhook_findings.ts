/** Checks the admission webhook: its registration, its certificate authority, and that it answers. */
import { X509Certificate } from "node:crypto";
import { isApiError, type RestClient } from "../../../lib/kubernetes/mod.ts";
import {
  AdmissionregistrationV1Api,
  type ValidatingWebhookConfiguration,
} from "../../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { CoreV1Api } from "../../../lib/kubernetes_apis/core@v1.ts";
import { webhookConfigurationName, webhookConfigurationOf } from "../../core/admission/configuration.ts";
import { realmLabel } from "../../core/names.ts";
import { isForbidden } from "../grant_summary.ts";
import { type DoctorFinding, fail, ok, someOf, unknown, warn } from "./doctor_finding.ts";
import { installedName, type InstalledObject } from "./installed_objects.ts";
import { differencesOf, inWords } from "./object_difference.ts";

const name = "webhook";
const restart = "Restart the operator with KEYSTONE_WEBHOOK: it registers the webhook again.";

/** Returns the registration of the webhook; undefined if there is none. */
export async function webhookConfiguration(rest: RestClient): Promise<ValidatingWebhookConfiguration | undefined> {
  try {
    return await new AdmissionregistrationV1Api(rest).validatingWebhookConfigurations.get(webhookConfigurationName);
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return undefined;
  }
}

export async function webhookFindings(
  rest: RestClient,
  configuration: ValidatingWebhookConfiguration | undefined,
  { isInstalled, now }: { isInstalled: boolean; now: number },
): Promise<DoctorFinding[]> {
  if (configuration === undefined) {
    const consequence = "a refusal by the quota does not name the grant or what would fit";
    return [
      isInstalled
        ? warn(
          name,
          `The admission webhook is installed, but no operator has registered it: ${consequence}.`,
          "Start the operator with KEYSTONE_WEBHOOK, which registers it: kubectl -n keystone-system get pods",
        )
        : warn(name, `There is no admission webhook: ${consequence}.`, "See docs/admission.md."),
    ];
  }
  const found = [...registered(configuration), ...authorities(configuration, now)];
  return found.length > 0 ? found : [await answer(rest)];
}

/** Checks that the Service exists through which the API server reaches the webhook. */
export function serviceFindings(
  configuration: ValidatingWebhookConfiguration,
  installed: readonly InstalledObject[],
  install: string,
): DoctorFinding[] {
  if (!configuration.webhooks?.some(({ clientConfig }) => clientConfig.service !== undefined)) return [];
  return installed.filter(({ shipped, live }) => shipped.kind === "Service" && live === undefined).map(({ shipped }) =>
    fail(name, `${installedName(shipped)} is missing: the API server does not reach the webhook.`, install)
  );
}

/** Compares the registration with the one that this version writes, except for the webhook's address. */
function registered({ webhooks = [] }: ValidatingWebhookConfiguration): DoctorFinding[] {
  const content = (list: ValidatingWebhookConfiguration["webhooks"]) => ({
    webhooks: list!.map(({ clientConfig: _, ...rest }) => rest),
  });
  const expected = webhookConfigurationOf({ service: true }, "").webhooks;
  const differences = differencesOf(content(expected), content(webhooks));
  if (differences.length === 0) return [];
  return [warn(name, `The webhook's registration was changed: ${someOf(differences.map(inWords), 3)}.`, restart)];
}

function authorities({ webhooks = [] }: ValidatingWebhookConfiguration, now: number): DoctorFinding[] {
  const unreadable = warn(name, "The webhook's certificate authority can't be read.", restart);
  const texts = webhooks.map(({ clientConfig: { caBundle } }) => {
    try {
      return new TextDecoder().decode(Uint8Array.fromBase64(caBundle ?? ""));
    } catch {
      return "";
    }
  });
  const certificates = texts.map((pem) => pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g));
  if (certificates.length === 0 || certificates.includes(null)) return [unreadable];
  try {
    const last = Math.max(...certificates[0]!.map((pem) => Date.parse(new X509Certificate(pem).validTo)));
    if (last >= now) return [];
    const message = `The webhook's certificate authority expired on ${new Date(last).toISOString()}.`;
    return [warn(name, message, restart)];
  } catch {
    return [unreadable];
  }
}

/** Asks the webhook, through the API server, about a workload that no grant has room for. */
async function answer(rest: RestClient): Promise<DoctorFinding> {
  const again = "Run keystone doctor as a cluster admin when a grant is active.";
  const { items } = await new CoreV1Api(rest).namespaces.list({ labelSelector: realmLabel, limit: 500 });
  const open = items.filter(({ metadata }) => metadata!.deletionTimestamp === undefined);
  const namespace = open[0]?.metadata?.name;
  if (namespace === undefined) {
    return unknown(name, "The webhook is registered; without a guest namespace it was not asked.", again);
  }
  const labels = { app: "keystone-doctor" };
  const container = { name: "main", image: "example.com/none:1", resources: { requests: { cpu: "100M" } } };
  try {
    await rest.performRequest({
      method: "POST",
      path: `/apis/apps/v1/namespaces/${namespace}/deployments`,
      querystring: new URLSearchParams({ dryRun: "All" }),
      bodyJson: {
        metadata: { generateName: "keystone-doctor-" },
        spec: {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [container] } },
        },
      },
    });
  } catch (error) {
    if (!isApiError(error)) throw error;
    if (/admission webhook "workloads\.keystone\.io" denied/.test(error.message)) {
      return ok(name, "The admission webhook answers, and its certificate authority is valid.");
    }
    const reason = isForbidden(error) && / cannot create resource /.test(error.message)
      ? "you may not create workloads in dry runs"
      : error.message.slice(0, 200);
    return unknown(name, `The webhook is registered; it was not asked: ${reason}.`, again);
  }
  return fail(
    name,
    `The webhook does not answer: a workload that no grant has room for was admitted in ${namespace}. The quota still holds.`,
    "kubectl -n keystone-system logs deploy/keystone-operator -c front, and check that the API server reaches port 9443.",
  );
}
