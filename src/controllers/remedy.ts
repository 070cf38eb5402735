/** What a person can do about an error, in one sentence with the command. */
import { ConnectionError, isApiError } from "../../lib/kubernetes/mod.ts";
import { operatorName } from "../core/names.ts";

/** The error as a sentence that ends with a remedy where there is one. */
export function withRemedy(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const remedy = remedyOf(error);
  return remedy ? `${said.replace(/[.;]?$/, "")}. ${remedy}` : said;
}

function remedyOf(error: unknown): string | undefined {
  if (error instanceof ConnectionError) {
    return "Start the API server, or choose another with --context or KUBECONFIG; trying again.";
  }
  if (isApiError(error, 401)) return "Log in again, or renew the credentials in the kubeconfig; trying again.";
  if (isApiError(error, 403) && / cannot /.test(error.message)) {
    return "Give the operator its rights: kubectl apply -f deploy/kustomize/base/rbac.yaml; trying again.";
  }
  const webhook = isApiError(error) && error.message.match(/admission webhook "([^"]+)" denied|webhook "([^"]+)"/);
  if (webhook) {
    return `Let the webhook ${webhook[1] ?? webhook[2]} pass what ${operatorName} writes into guest namespaces, or ` +
      "delete it; trying again.";
  }
  const policy = isApiError(error, 422) && error.message.match(/ValidatingAdmissionPolicy '([^']+)'/);
  if (policy) {
    return `Exempt guest namespaces from the policy ${policy[1]}, or bring Keystone's own up to date; trying again.`;
  }
  // As in a roll-back, when the custom resources go before the operator.
  if (isApiError(error) && /field not declared in schema/.test(error.message)) {
    return "Bring the custom resource definitions up to date: kubectl apply -f crds/; or roll the operator back too; trying again.";
  }
  if (isApiError(error, 422) && /immutable/.test(error.message)) {
    return "Delete that object; it is made again.";
  }
  // Of an object that isn't there the answer tells the name.
  const isOfNoObject = isApiError(error, 404) && error.details?.name === undefined;
  if (isOfNoObject && /keystone\.io/.test(`${error.path} ${error.message}`)) {
    return "Install the custom resource definitions: kubectl apply -f crds/; trying again.";
  }
  return undefined;
}
