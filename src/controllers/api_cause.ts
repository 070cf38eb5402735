/** The cause for which the API server can't be used, as a phrase for logs, `/readyz` and events. */
import { ConnectionError, isApiError } from "../../lib/kubernetes/mod.ts";
import { withRemedy } from "./remedy.ts";

/** Kind of a cause; changes of the text alone are no news. */
export type ApiCauseKind =
  | "refused"
  | "timeout"
  | "dns"
  | "unreachable"
  | "certificate"
  | "unauthorized"
  | "unhealthy"
  | "lease"
  | "other";

export interface ApiCause {
  kind: ApiCauseKind;
  /** A phrase, such as `connection refused`. */
  text: string;
  /** A sentence with the next step. */
  remedy: string;
}

interface Known {
  pattern: RegExp;
  cause: ApiCause;
}

/** Messages of both transports (Deno and Node), most specific first. */
const connectionCauses: readonly Known[] = [
  {
    pattern: /connection refused|ECONNREFUSED/i,
    cause: {
      kind: "refused",
      text: "connection refused",
      remedy: "Start the API server, or check the address in the kubeconfig.",
    },
  },
  {
    pattern: /dns error|failed to lookup|ENOTFOUND|EAI_AGAIN/i,
    cause: {
      kind: "dns",
      text: "its host name can't be resolved (DNS)",
      remedy: "Check the server's name in the kubeconfig and this machine's DNS.",
    },
  },
  {
    pattern: /certificate (has )?expired|certificate expired|CERT_HAS_EXPIRED|Expired/,
    cause: {
      kind: "certificate",
      text: "its certificate has expired",
      remedy: "Renew the API server's certificate; check this machine's clock.",
    },
  },
  {
    pattern: /not valid yet|NotValidYet|CERT_NOT_YET_VALID/,
    cause: {
      kind: "certificate",
      text: "its certificate is not valid yet",
      remedy: "Check the clocks of this machine and of the API server.",
    },
  },
  {
    pattern: /NotValidForName|not valid for name|does not match certificate's/,
    cause: {
      kind: "certificate",
      text: "its certificate doesn't name this host",
      remedy: "Use an address that the certificate names, or set tls-server-name in the kubeconfig.",
    },
  },
  {
    pattern: /UnknownIssuer|BadSignature|self-signed certificate|unable to (get|verify)/,
    cause: {
      kind: "certificate",
      text: "its certificate is of an unknown authority",
      remedy: "Set certificate-authority in the kubeconfig to the CA of this server.",
    },
  },
  {
    pattern: /InvalidContentType|instead of JSON|wrong version number/i,
    cause: {
      kind: "other",
      text: "another program answers at its address",
      remedy: "Check the address in the kubeconfig.",
    },
  },
  {
    pattern: /timed out|ETIMEDOUT/i,
    cause: { kind: "timeout", text: "no answer in time", remedy: "Check the network and the API server." },
  },
  {
    pattern: /unreachable|no route|EHOSTUNREACH|ENETUNREACH/i,
    cause: {
      kind: "unreachable",
      text: "no route to its address",
      remedy: "Check the network between this operator and the API server.",
    },
  },
  {
    pattern: /reset|ECONNRESET|closed|eof|broken pipe|EPIPE/i,
    cause: {
      kind: "unreachable",
      text: "it closed the connection",
      remedy: "Check the API server and what is between it and this operator.",
    },
  },
];

/** Reports whether an error says nothing about the request, only that the API server can't be used. */
export const isConnectionError = (error: unknown): boolean =>
  error instanceof ConnectionError || isTimeout(error) || isApiError(error, 401) ||
  (error instanceof Error && error.name === "WatchStalled");

const isTimeout = (error: unknown): boolean => error instanceof DOMException && error.name === "TimeoutError";

/** Returns the cause in an error of the probe or of any other request. */
export function apiCauseOf(error: unknown): ApiCause {
  const said = error instanceof Error ? error.message : String(error);
  if (isTimeout(error)) {
    return { kind: "timeout", text: "no answer in time", remedy: "Check the network and the API server's load." };
  }
  if (isApiError(error, 401)) {
    return {
      kind: "unauthorized",
      text: "it doesn't accept this operator's credentials (401 Unauthorized)",
      remedy: "Renew the token or the client certificate in the kubeconfig; an expired certificate is refused too.",
    };
  }
  if (isApiError(error)) {
    const failing = [...said.matchAll(/\[-\]([\w./-]+)/g)].map(([, check]) => check).slice(0, 3).join(", ");
    return {
      kind: "unhealthy",
      text: failing ? `it isn't healthy (${failing})` : `it answers with ${error.code} ${error.reason}`,
      remedy: "See the API server's log.",
    };
  }
  const known = error instanceof ConnectionError && connectionCauses.find(({ pattern }) => pattern.test(said));
  return known ? known.cause : { kind: "other", text: said.replace(/\.$/, ""), remedy: "" };
}

/** Returns the cause if the Lease can't be written although the API server answers. */
export const leaseCauseOf = (error: unknown): ApiCause => {
  const [said, ...remedy] = splitRemedy(withRemedy(error));
  const code = isApiError(error) ? `${error.code} ${error.reason}: ` : "";
  return {
    kind: "lease",
    text: `the Lease can't be renewed (${code}${said!.replace(/[.;]$/, "")})`,
    remedy: remedy.join(" "),
  };
};

const splitRemedy = (text: string): string[] => text.replace(/; trying again\.$/, ".").split(/(?<=\.) (?=[A-Z])/);
