/** Exit codes, and the errors they come from: 0 yes or done, 1 the answer is no, 2 usage, 3 forbidden, 4 unreachable. */
import { CommanderError } from "commander";
import { ConfigError as ClientConfigError, ConnectionError, isApiError } from "../../lib/kubernetes/mod.ts";
import { SettingsError } from "../config.ts";

export const exitCodes = { done: 0, no: 1, usage: 2, forbidden: 3, unreachable: 4 } as const;

/** Ends the command; the message goes to standard error. */
export class Exit extends Error {
  override readonly name = "Exit";

  constructor(readonly code: number, message = "") {
    super(message);
  }
}

/** Returns the error for flags or arguments that can't be used. */
export const usageError = (message: string): Exit => new Exit(exitCodes.usage, message);
/** Returns the error for the answer "no"; without a message when the answer has been printed already. */
export const no = (message = ""): Exit => new Exit(exitCodes.no, message);

/** Returns the exit code and the message for an error. */
export function exitOf(error: unknown): { code: number; message: string } {
  if (error instanceof Exit) return { code: error.code, message: error.message };
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : exitCodes.usage, message: "" };
  if (error instanceof SettingsError || error instanceof ClientConfigError) {
    return { code: exitCodes.usage, message: error.message };
  }
  if (isApiError(error, 401)) {
    return {
      code: exitCodes.forbidden,
      message:
        `${error.message}: the credentials are not valid, or no longer. Log in again. Guests' access ends with their last ` +
        "grant; the lender renews it with keystone realm kubeconfig REALM.",
    };
  }
  if (isApiError(error, 403)) {
    const [, namespace] = /\/namespaces\/(guest-[^/]+)\//.exec(error.path) ?? [];
    const guests = namespace === undefined ? "" : ` Guests have access to ${namespace} while a grant is in force.`;
    return { code: exitCodes.forbidden, message: `${error.message}${guests && `.${guests}`}` };
  }
  if (isApiError(error, 404) && /keystone\.io/.test(error.path)) {
    return /could not find the requested resource|404 page not found/.test(error.message)
      ? {
        code: exitCodes.no,
        message:
          "Keystone is not installed in this cluster: its custom resources are missing. Run kubectl apply -f crds/.",
      }
      : { code: exitCodes.no, message: error.message };
  }
  if (error instanceof ConnectionError) {
    return {
      code: exitCodes.unreachable,
      message: `${error.message.replace(/[.?]?$/, "")}. Choose another cluster with --context or KUBECONFIG.`,
    };
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return { code: exitCodes.unreachable, message: error.message };
  }
  return { code: exitCodes.no, message: error instanceof Error ? error.message : String(error) };
}
