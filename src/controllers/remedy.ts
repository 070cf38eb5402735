/** Remedies for errors: one sentence with a command. */
import { ConnectionError, isApiError } from "../../lib/kubernetes/mod.ts";
import { operatorName } from "../core/names.ts";

/** Returns the error as a sentence, followed by its remedy if there is one. */
export function withRemedy(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const remedy = remedyOf(error);
  return remedy ? `${said.replace(/[.;]?$/, "")}. ${remedy}` : said;
}

function remedyOf(error: unknown): string | undefined {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return "Check the API server's load and the network; trying again.";
  }
  if (error instanceof ConnectionError) {
    return "Start the API server, or choose another with --context or KUBECONFIG; trying again.";
  }
  if (isApiError(error, 401)) return "Log in again, or renew the credentials in the kubeconfig; trying again.";
  if (isApiError(error, 403) && / cannot /.test(error.message)) {
    return "Restore the operator's permissions: kubectl apply -f deploy/kustomize/base/rbac.yaml; trying again.";
  }
  const webhook = isApiError(error) && error.message.match(/admission webhook "([^"]+)" denied|webhook "([^"]+)"/);
  if (webhook) {
    return `Make the webhook ${webhook[1] ?? webhook[2]} admit ${operatorName}'s writes to guest namespaces, or ` +
      "delete it; trying again.";
  }
  const policy = isApiError(error, 422) && error.message.match(/ValidatingAdmissionPolicy '([^']+)'/);
  if (policy) {
    return `Exempt guest namespaces from the policy ${policy[1]} or, if it is Keystone's, update it; trying again.`;
  }
  // For example in a rollback, if the custom resources are rolled back before the operator.
  if (isApiError(error) && /field not declared in schema/.test(error.message)) {
    return "Update the custom resource definitions: kubectl apply -f crds/; or roll the operator back too; trying again.";
  }
  if (isApiError(error, 422) && /immutable/.test(error.message)) {
    return "Delete the object; the operator creates it again.";
  }
  // If only the object is missing, the response has its name.
  const isOfNoObject = isApiError(error, 404) && error.details?.name === undefined;
  if (isOfNoObject && /keystone\.io/.test(`${error.path} ${error.message}`)) {
    return "Install the custom resource definitions: kubectl apply -f crds/; trying again.";
  }
  return undefined;
}
