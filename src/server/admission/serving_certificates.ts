/** The webhook's certificate authority and serving certificate: created, checked and renewed in time. */
import "reflect-metadata";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

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

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const hour = 3_600_000;
const day = 24 * hour;
const authorityMs = 3650 * day;
const servingMs = 90 * day;
/** Time for which an authority is trusted before it signs, so that every API server knows it. */
const introductionMs = day;
/** Tolerance for clocks that differ. */
const backdateMs = hour;

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
    const authority = await makeAuthority(now);
    certificates = { authorities: authority.certificate, authorityKeys: authority.key, certificate: "", key: "" };
    state = read(certificates)!;
  }
  const [signing, next] = state.authorities;
  const { keys } = state;
  if (keys.length > 1 && now >= next!.notBefore.getTime() + backdateMs + introductionMs) {
    const authorities = [next!, signing!, ...state.authorities.slice(2)].filter((each) => isValid(each, now));
    certificates = { ...certificates!, authorities: pem(authorities), authorityKeys: keys[1]! };
  } else if (keys.length === 1 && now >= twoThirds(signing!)) {
    const made = await makeAuthority(now);
    const others = state.authorities.slice(1).filter((each) => isValid(each, now));
    certificates = {
      ...certificates!,
      authorities: pem([signing!, new X509Certificate(made.certificate), ...others]),
      authorityKeys: `${keys[0]}\n${made.key}`,
    };
  }
  state = read(certificates!)!;
  const authority = state.authorities[0]!;
  if (!await isServing(state.serving, authority, hosts, now)) {
    certificates = { ...certificates!, ...await makeServing(authority, state.keys[0]!, hosts, now) };
    state = read(certificates)!;
  }
  const promotion = state.keys.length > 1
    ? state.authorities[1]!.notBefore.getTime() + backdateMs + introductionMs
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
    for (const key of keys) PemConverter.decodeFirst(key);
    if (all.length === 0 || keys.length === 0 || keys.length > all.length) return undefined;
    return { authorities: all, keys, serving: certificate === "" ? undefined : new X509Certificate(certificate) };
  } catch {
    return undefined;
  }
}

const blocks = (text: string): string[] => text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [];
const pem = (all: readonly X509Certificate[]): string => all.map((each) => each.toString("pem")).join("\n");

const isValid = ({ notBefore, notAfter }: X509Certificate, now: number): boolean =>
  notBefore.getTime() <= now && now < notAfter.getTime();

const twoThirds = ({ notBefore, notAfter }: X509Certificate): number =>
  notBefore.getTime() + (notAfter.getTime() - notBefore.getTime()) * 2 / 3;

async function isServing(
  serving: X509Certificate | undefined,
  authority: X509Certificate,
  { dns, ip }: Hosts,
  now: number,
): Promise<boolean> {
  if (!serving || !isValid(serving, now) || now >= twoThirds(serving)) return false;
  const names = serving.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const has = (type: string, value: string) => names.some((name) => name.type === type && name.value === value);
  if (!dns.every((name) => has("dns", name)) || !ip.every((address) => has("ip", address))) return false;
  return await serving.verify({
    publicKey: await authority.publicKey.export(algorithm, ["verify"]),
    signatureOnly: true,
  });
}

async function makeAuthority(now: number): Promise<{ certificate: string; key: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [`keystone-webhook ${new Date(now).toISOString()}`] }],
    ...lasting(now, authorityMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await keyPem(keys.privateKey) };
}

async function makeServing(
  authority: X509Certificate,
  authorityKey: string,
  { dns, ip }: Hosts,
  now: number,
): Promise<Pick<Certificates, "certificate" | "key">> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const signingKey = await crypto.subtle.importKey(
    "pkcs8",
    PemConverter.decodeFirst(authorityKey),
    algorithm,
    false,
    ["sign"],
  );
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [dns[0] ?? ip[0] ?? "keystone-webhook"] }],
    issuer: authority.subject,
    ...lasting(now, servingMs),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      await AuthorityKeyIdentifierExtension.create(authority),
      new SubjectAlternativeNameExtension([
        ...dns.map((value) => ({ type: "dns" as const, value })),
        ...ip.map((value) => ({ type: "ip" as const, value })),
      ]),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await keyPem(keys.privateKey) };
}

const lasting = (now: number, ms: number) => ({ notBefore: new Date(now - backdateMs), notAfter: new Date(now + ms) });

const keyPem = async (key: CryptoKey): Promise<string> =>
  PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");

function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // Positive, and always of the same length.
  bytes[0] = 0x40 | (bytes[0]! & 0x3f);
  return bytes.toHex();
}
