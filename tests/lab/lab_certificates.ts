import "reflect-metadata";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAYS = 24 * 3600 * 1000;

/** A certificate and its private key, both PEM (the key as PKCS #8). */
export interface CertificateAndKey {
  certificate: string;
  key: string;
}

/** A throwaway certificate authority, as two PEM texts that can be written to files and read back. */
export type Authority = CertificateAndKey;

/** Makes a certificate authority that is valid for a year. */
export async function makeAuthority(): Promise<Authority> {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ["keystone-lab"] }],
    ...validity(),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await privateKeyPem(keys.privateKey) };
}

/** Makes a serving certificate for these DNS names and IP addresses, by default valid now. */
export function makeServerCertificate(
  authority: Authority,
  names: { dns: string[]; ip: string[] },
  when: "now" | "past" | "future" = "now",
): Promise<CertificateAndKey> {
  const extensions = [
    new SubjectAlternativeNameExtension([
      ...names.dns.map((value) => ({ type: "dns" as const, value })),
      ...names.ip.map((value) => ({ type: "ip" as const, value })),
    ]),
  ];
  return issue(authority, "kube-apiserver", [], ExtendedKeyUsage.serverAuth, extensions, validity(when));
}

/** Makes a client certificate: Kubernetes reads the user from the CN and a group from each O. */
export function makeClientCertificate(
  authority: Authority,
  user: string,
  groups: string[],
): Promise<CertificateAndKey> {
  return issue(authority, user, groups, ExtendedKeyUsage.clientAuth, []);
}

/** Makes a key pair that signs service account tokens, both halves PEM. */
export async function makeSigningKeys(): Promise<{ publicKey: string; privateKey: string }> {
  const keys = await makeKeys();
  return {
    publicKey: PemConverter.encode(await crypto.subtle.exportKey("spki", keys.publicKey), "PUBLIC KEY"),
    privateKey: await privateKeyPem(keys.privateKey),
  };
}

/** Makes a private key and a request for a client certificate, for a cluster with another authority. */
export async function makeCertificateRequest(
  user: string,
  groups: string[],
): Promise<{ request: string; key: string }> {
  const keys = await makeKeys();
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: subject(user, groups),
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { request: request.toString("pem"), key: await privateKeyPem(keys.privateKey) };
}

async function issue(
  authority: Authority,
  user: string,
  groups: string[],
  usage: ExtendedKeyUsage,
  extensions: SubjectAlternativeNameExtension[],
  valid = validity(),
): Promise<CertificateAndKey> {
  const issuer = new X509Certificate(authority.certificate);
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subject(user, groups),
    issuer: issuer.subject,
    ...valid,
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: await crypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(authority.key), ALGORITHM, false, [
      "sign",
    ]),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage]),
      await AuthorityKeyIdentifierExtension.create(issuer),
      ...extensions,
    ],
  });
  return { certificate: certificate.toString("pem"), key: await privateKeyPem(keys.privateKey) };
}

function subject(user: string, groups: string[]): Record<string, string[]>[] {
  return [...groups.map((group) => ({ O: [group] })), { CN: [user] }];
}

function makeKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

async function privateKeyPem(key: CryptoKey): Promise<string> {
  return PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = 0x40 | (bytes[0]! & 0x3f); // positive, and always encoded in full length
  return bytes.toHex();
}

/** Returns a validity that began an hour ago, to tolerate clocks that are slightly off, or one beside the present. */
function validity(when: "now" | "past" | "future" = "now"): { notBefore: Date; notAfter: Date } {
  const shiftMs = { now: 0, past: -400 * DAYS, future: 2 * DAYS }[when];
  return {
    notBefore: new Date(Date.now() - 3600 * 1000 + shiftMs),
    notAfter: new Date(Date.now() + 365 * DAYS + shiftMs),
  };
}
