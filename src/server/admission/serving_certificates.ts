/**
 * The webhook's certificate authority and serving certificate: checked, and renewed in time. Most starts find valid
 * ones. So the library that makes certificates is loaded only when some are due: it takes 100 ms.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";

/** PEM texts, as stored in the Secret. */
export interface Certificates {
  /** Trusted authorities; the first one signs. */
  authorities: string;
  /** Keys of the first authorities, in the same order; a second one belongs to the authority that takes over. */
  authorityKeys: string;
  certificate: string;
  key: string;
}

/** Names that the serving certificate must have. */
export interface Hosts {
  dns: readonly string[];
  ip: readonly string[];
}

const hour = 3_600_000;
const day = 24 * hour;
/** Time for which an authority is trusted before it signs, so that every API server knows it. */
const introductionMs = day;
/** Tolerance for clocks that differ. */
export const backdateMs = hour;

const makers = () => import("./make_certificates.ts");

/**
 * Returns the certificates to use from now on: the existing ones while they are valid, otherwise new ones. A new
 * authority is trusted a day before it signs, and an old one until it expires, so no request is ever answered with an
 * untrusted certificate.
 *
 * @returns the same object if nothing changes, and the instant of the next change
 */
export async function certificatesAt(
  present: Certificates | undefined,
  hosts: Hosts,
  now: number,
): Promise<{ certificates: Certificates; wakeAt: number }> {
  let state = present && read(present);
  let certificates = present;
  if (!state || !isValid(state.authorities[0]!, now)) {
    const authority = await (await makers()).makeWebhookAuthority(now);
    certificates = { authorities: authority.certificate, authorityKeys: authority.key, certificate: "", key: "" };
    state = read(certificates)!;
  }
  const [signing, next] = state.authorities;
  const { keys } = state;
  if (keys.length > 1 && now >= start(next!) + backdateMs + introductionMs) {
    const authorities = [next!, signing!, ...state.authorities.slice(2)].filter((each) => isValid(each, now));
    certificates = { ...certificates!, authorities: pem(authorities), authorityKeys: keys[1]! };
  } else if (keys.length === 1 && now >= twoThirds(signing!)) {
    const made = await (await makers()).makeWebhookAuthority(now);
    const others = state.authorities.slice(1).filter((each) => isValid(each, now));
    certificates = {
      ...certificates!,
      authorities: pem([signing!, new X509Certificate(made.certificate), ...others]),
      authorityKeys: `${keys[0]}\n${made.key}`,
    };
  }
  state = read(certificates!)!;
  const authority = state.authorities[0]!;
  if (!isServing(state.serving, authority, hosts, now)) {
    certificates = {
      ...certificates!,
      ...await (await makers()).makeServing(authority.toString(), state.keys[0]!, hosts, now),
    };
    state = read(certificates)!;
  }
  const promotion = state.keys.length > 1
    ? start(state.authorities[1]!) + backdateMs + introductionMs
    : twoThirds(authority);
  return { certificates: certificates!, wakeAt: Math.min(twoThirds(state.serving!), promotion) };
}

/** Returns the authorities in a PEM text that are valid now, each as its own text. */
export const authoritiesIn = (text: string, now: number): string[] =>
  blocks(text).filter((block) => {
    try {
      return isValid(new X509Certificate(block), now);
    } catch {
      return false;
    }
  });

interface State {
  authorities: X509Certificate[];
  keys: string[];
  serving: X509Certificate | undefined;
}

/** Parses the certificates; undefined if any of them can't be read. */
function read({ authorities, authorityKeys, certificate }: Certificates): State | undefined {
  try {
    const all = blocks(authorities).map((text) => new X509Certificate(text));
    const keys = blocks(authorityKeys);
    for (const key of keys) createPrivateKey(key);
    if (all.length === 0 || keys.length === 0 || keys.length > all.length) return undefined;
    return { authorities: all, keys, serving: certificate === "" ? undefined : new X509Certificate(certificate) };
  } catch {
    return undefined;
  }
}

const blocks = (text: string): string[] => text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [];
const pem = (all: readonly X509Certificate[]): string => all.map((each) => each.toString().trim()).join("\n");

const start = (certificate: X509Certificate): number => Date.parse(certificate.validFrom);
const end = (certificate: X509Certificate): number => Date.parse(certificate.validTo);

const isValid = (certificate: X509Certificate, now: number): boolean =>
  start(certificate) <= now && now < end(certificate);

const twoThirds = (certificate: X509Certificate): number =>
  start(certificate) + (end(certificate) - start(certificate)) * 2 / 3;

function isServing(
  serving: X509Certificate | undefined,
  authority: X509Certificate,
  { dns, ip }: Hosts,
  now: number,
): serving is X509Certificate {
  if (!serving || !isValid(serving, now) || now >= twoThirds(serving)) return false;
  return dns.every((name) => serving.checkHost(name, { subject: "never" }) !== undefined) &&
    ip.every((address) => serving.checkIP(address) !== undefined) && serving.verify(authority.publicKey);
}
