/** Certificates of a forwarder: only the owner of its folder can connect, and only to it. */
import "reflect-metadata";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** PEM texts. */
export interface ForwarderKeys {
  /** Authority of both certificates. Its key is not kept, so there are no others. */
  authority: string;
  certificate: string;
  key: string;
  clientCertificate: string;
  clientKey: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const lifetimeMs = 3650 * 86_400_000;
/** Tolerance for a clock that is set back. */
const backdateMs = 86_400_000;

/** Makes the certificates of a new forwarder. */
export async function makeForwarderKeys(now: number): Promise<ForwarderKeys> {
  const lasting = { notBefore: new Date(now - backdateMs), notAfter: new Date(now + lifetimeMs) };
  const keys = await newKeys();
  const authority = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ["keystone use"] }],
    ...lasting,
    signingAlgorithm: algorithm,
    keys,
    extensions: [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
  });
  const [server, client] = await Promise.all([
    leaf(ExtendedKeyUsage.serverAuth, "keystone use: forwarder"),
    leaf(ExtendedKeyUsage.clientAuth, "keystone use: kubectl"),
  ]);
  return {
    authority: authority.toString("pem"),
    certificate: server.certificate.toString("pem"),
    key: server.key,
    clientCertificate: client.certificate.toString("pem"),
    clientKey: client.key,
  };

  async function leaf(usage: ExtendedKeyUsage, name: string): Promise<{ certificate: X509Certificate; key: string }> {
    const { publicKey, privateKey } = await newKeys();
    const certificate = await X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: [{ CN: [name] }],
      issuer: authority.subject,
      ...lasting,
      signingAlgorithm: algorithm,
      publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([usage]),
        new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }]),
      ],
    });
    const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", privateKey), "PRIVATE KEY");
    return { certificate, key };
  }
}

const newKeys = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // Positive, and always of the same length.
  bytes[0] = 0x40 | (bytes[0]! & 0x3f);
  return bytes.toHex();
}
