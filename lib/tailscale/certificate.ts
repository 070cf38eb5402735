import { LocalApiError } from "./local_api_error.ts";

/** A certificate for a name of the tailnet, with its private key. */
export interface CertificatePair {
  /** The certificate and its issuers, in PEM. */
  certificate: string;
  /** The private key, in PEM. */
  key: string;
}

const block = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----\n?/g;

/** Splits the daemon's `type=pair` response: first the key, then the certificates. */
export function certificatePairFrom(text: string): CertificatePair {
  const blocks = [...text.matchAll(block)];
  const of = (kind: RegExp) => blocks.filter(([, label]) => kind.test(label!)).map(([pem]) => pem);
  const [keys, certificates] = [of(/PRIVATE KEY$/), of(/^CERTIFICATE$/)];
  if (keys.length !== 1 || certificates.length === 0) {
    const found = `${keys.length} private keys and ${certificates.length} certificates`;
    throw new LocalApiError("Protocol", `it sent ${found} instead of one key and its certificates`);
  }
  return { certificate: certificates.join(""), key: keys[0]! };
}
