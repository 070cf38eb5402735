/** The options of `keystone grant create`, and the Grant that they describe. */
import type { Grant } from "../../api/client/keystone.io@v1alpha1.ts";
import type { GrantSpec } from "../../api/mod.ts";
import { usageError } from "../exit.ts";
import { periodFrom, spanFrom, validityFrom } from "../time_flags.ts";
import type { Moment } from "../written_instant.ts";
import type { AmountOptions, GivenAmounts } from "./amount_flags.ts";

/** Flags of `keystone grant create`. */
export interface CreateOptions extends AmountOptions {
  to?: string;
  from?: string;
  until?: string;
  for?: string;
  start?: string;
  allow?: string[];
  within?: string[];
  except?: string[];
  notice?: string;
  drain?: string;
  volumes?: "Retain" | "Delete";
  dryRun?: "client" | "server";
  wait?: boolean;
  /** Milliseconds. */
  timeout?: number;
}

/** Returns the Grant. Throws a usage error for options that can't be used, or that contradict each other. */
export function grantFrom(
  { name, from, to }: { name: string; from: string; to: string },
  options: CreateOptions,
  { hard }: Pick<GivenAmounts, "hard">,
  moment: Moment,
): Grant {
  const validity = validityFrom(periodFrom(options, moment));
  const termination = terminationFrom(options);
  return {
    apiVersion: "keystone.io/v1alpha1",
    kind: "Grant",
    metadata: { name },
    spec: {
      grantorRealm: from,
      granteeRealm: to,
      hard,
      ...networkPolicyFrom(options),
      ...(Object.keys(validity).length > 0 ? { validity } : {}),
      ...(Object.keys(termination).length > 0 ? { termination } : {}),
    },
  } as Grant;
}

function terminationFrom({ notice, drain, volumes }: CreateOptions): NonNullable<GrantSpec["termination"]> {
  const seconds = (flag: string, text: string): number =>
    /^\d{1,6}$/.test(text) ? Number(text) : spanFrom(flag, text, "seconds, such as 300, or a span such as 5m") / 1000;
  return {
    ...(notice === undefined ? {} : { noticeSeconds: seconds("--notice", notice) }),
    ...(drain === undefined ? {} : { drainSeconds: seconds("--drain", drain) }),
    ...(volumes === undefined ? {} : { volumes }),
  };
}

function networkPolicyFrom({ allow, within, except }: CreateOptions): Pick<GrantSpec, "networkPolicy"> {
  if (!allow && (within || except)) {
    throw usageError(
      "--within and --except need --allow. Add the destinations to open, such as --allow internet.",
    );
  }
  return allow
    ? {
      networkPolicy: {
        egressAllowed: true,
        allowedDestinations: allow,
        ...(within ? { within } : {}),
        ...(except ? { except } : {}),
      },
    }
    : {};
}
