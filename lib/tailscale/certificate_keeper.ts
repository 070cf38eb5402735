/** Keeps a certificate of the tailnet at hand, so that no connection waits for an authority. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Clock, sleep, systemClock } from "../clock/mod.ts";
import type { CertificatePair } from "./certificate.ts";
import { LocalApiError } from "./local_api_error.ts";
import type { CertificateOptions, LocalCallOptions } from "./local_client.ts";

/** The used part of {@linkcode LocalClient}. */
export interface CertificateApi {
  certDomains(options: LocalCallOptions): Promise<string[]>;
  certificate(domain: string, options: CertificateOptions): Promise<CertificatePair>;
}

/** A certificate with its key, and its validity. */
export interface KeptCertificate extends CertificatePair {
  /** Name that it is for. */
  domain: string;
  /** Start of its validity. */
  notBefore: Date;
  /** End of its validity. */
  notAfter: Date;
}

/** Options of a {@linkcode CertificateKeeper}. */
export interface CertificateKeeperOptions {
  client: CertificateApi;
  /** Default: the system's clock. */
  clock?: Clock;
}

/** The certificate is renewed once this part of its life is left, as its authority recommends. */
const renewedPart = 1 / 3;
/** Interval of checks of the name, and of the certificate's time by the wall clock. */
const checkMs = 3_600_000;
/** Pauses after a failure: doubled each time, because authorities limit attempts. */
const shortestRetryMs = 60_000;
const longestRetryMs = 3_600_000;

/**
 * Fetches the certificate of this node's name ahead of time and renews it in time, while {@linkcode run} runs. A failed
 * renewal keeps the certificate and is tried again; {@linkcode problem} has the reason.
 */
export class CertificateKeeper {
  readonly #client: CertificateApi;
  readonly #clock: Clock;
  readonly #listeners: ((certificate: KeptCertificate) => void)[] = [];
  #current: KeptCertificate | undefined;
  #problem: string | undefined = "the certificate has not been requested yet";
  #failures = 0;

  /** Creates a keeper without a certificate. */
  constructor({ client, clock = systemClock }: CertificateKeeperOptions) {
    this.#client = client;
    this.#clock = clock;
  }

  /** The present certificate; undefined until there is one. It may have expired if {@linkcode problem} says so. */
  get current(): KeptCertificate | undefined {
    return this.#current;
  }

  /** Reason why there is no certificate or why it isn't renewed; undefined if all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Calls `listener` with each new certificate. */
  onChange(listener: (certificate: KeptCertificate) => void): void {
    this.#listeners.push(listener);
  }

  /** Fetches and renews until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#check(signal);
        this.#problem = undefined;
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#problem = this.#explained(error);
        this.#failures++;
      }
      await this.#rest(signal);
    }
  }

  async #check(signal: AbortSignal): Promise<void> {
    const domain = (await this.#client.certDomains({ signal })).find((name) => !name.startsWith("*"));
    if (domain === undefined) {
      throw new LocalApiError(
        "Unsupported",
        "the tailnet has no HTTPS certificates; switch them on in its DNS settings (Headscale has none)",
      );
    }
    const current = this.#current;
    if (current?.domain === domain && this.#clock.now() < renewalOf(current)) return;
    // Without a minimum the daemon would send the old one again, and renew it in the background.
    const minValidityMs = current ? lifeOf(current) * renewedPart : undefined;
    const pair = await this.#client.certificate(domain, {
      signal,
      ...(minValidityMs === undefined ? {} : { minValidityMs: Math.floor(minValidityMs) }),
    });
    const fetched = keptFrom(domain, pair);
    if (fetched.notAfter.getTime() <= this.#clock.now()) {
      throw new LocalApiError(
        "Refused",
        `its certificate for ${domain} has expired at ${fetched.notAfter.toISOString()}`,
      );
    }
    if (pair.certificate !== current?.certificate || pair.key !== current.key) {
      this.#current = fetched;
      for (const listener of this.#listeners) listener(fetched);
    }
    if (this.#clock.now() >= renewalOf(fetched)) {
      throw new LocalApiError(
        "Refused",
        `its certificate for ${domain} ends at ${fetched.notAfter.toISOString()} and was not renewed`,
      );
    }
  }

  #explained(error: unknown): string {
    const found = error instanceof Error ? error.message : String(error);
    const current = this.#current;
    if (!current) return found;
    const isOver = current.notAfter.getTime() <= this.#clock.now();
    return `${found}; the certificate ${isOver ? "has expired" : "is valid until"} ${isOver ? "at " : ""}` +
      current.notAfter.toISOString();
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const retryMs = Math.min(shortestRetryMs * 2 ** Math.min(this.#failures - 1, 20), longestRetryMs);
    const ms = this.#failures > 0 ? retryMs : checkMs;
    // Jitter, so that replicas don't ask together.
    await sleep(this.#clock, ms * (0.9 + Math.random() / 10), signal);
  }
}

const lifeOf = ({ notBefore, notAfter }: KeptCertificate): number => notAfter.getTime() - notBefore.getTime();
const renewalOf = (kept: KeptCertificate): number => kept.notAfter.getTime() - lifeOf(kept) * renewedPart;

/** Reads the certificate's validity, and checks that it is for the name and the key. */
function keptFrom(domain: string, pair: CertificatePair): KeptCertificate {
  const refuse = (problem: string) => new LocalApiError("Protocol", `its certificate for ${domain} ${problem}`);
  let certificate: X509Certificate;
  let isOfKey: boolean;
  try {
    certificate = new X509Certificate(pair.certificate);
    isOfKey = certificate.checkPrivateKey(createPrivateKey(pair.key));
  } catch (error) {
    throw refuse(`can't be read: ${error instanceof Error ? error.message : error}`);
  }
  if (!isOfKey) throw refuse("has another key than the one that came with it");
  if (certificate.checkHost(domain) === undefined) throw refuse(`is for ${certificate.subjectAltName ?? "no name"}`);
  const notBefore = new Date(certificate.validFrom);
  const notAfter = new Date(certificate.validTo);
  if (!(notBefore < notAfter)) throw refuse("has no validity");
  return { ...pair, domain, notBefore, notAfter };
}
