import "reflect-metadata";
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import assert from "node:assert/strict";
import { FakeClock } from "../clock/mod.ts";
import { CertificateKeeper, type CertificateOptions, type CertificatePair, LocalApiError } from "./mod.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const day = 24 * 60 * minute;

async function pairFor(domain: string, notBefore: number, days = 3): Promise<CertificatePair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: `CN=${domain}`,
    notBefore: new Date(notBefore),
    notAfter: new Date(notBefore + days * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: domain }])],
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { certificate: certificate.toString("pem"), key };
}

/** A keeper on a simulated clock, with a daemon that answers as it is set. */
class World implements AsyncDisposable {
  readonly clock = new FakeClock(start);
  readonly keeper = new CertificateKeeper({ client: this, clock: this.clock });
  readonly asked: { domain: string; at: number; minValidityMs: number | undefined }[] = [];
  readonly told: string[] = [];
  domains: string[] = ["*.alice-home.ts.net", "alice-home.ts.net"];
  answer: (domain: string) => Promise<CertificatePair>;
  readonly #abort = new AbortController();
  readonly #run: Promise<void>;

  constructor(answer: World["answer"]) {
    this.answer = answer;
    this.keeper.onChange(({ domain, notAfter }) => this.told.push(`${domain} until ${notAfter.toISOString()}`));
    this.#run = this.keeper.run(this.#abort.signal);
  }

  certDomains(): Promise<string[]> {
    return Promise.resolve(this.domains);
  }

  certificate(domain: string, { minValidityMs }: CertificateOptions): Promise<CertificatePair> {
    this.asked.push({ domain, at: this.clock.now(), minValidityMs });
    return this.answer(domain);
  }

  /** Advances in steps, because each wait begins when the one before has ended. */
  async advance(ms: number): Promise<void> {
    const until = this.clock.now() + ms;
    do {
      await this.clock.advance(Math.min(50 * minute, until - this.clock.now()));
    } while (this.clock.now() < until);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#run;
    assert.equal(this.clock.pending, 0);
  }
}

const refused = () => Promise.reject(new LocalApiError("Refused", "rate limited"));

Deno.test("certificate keeper: fetched at once, kept, and renewed when a third of its life is left", async () => {
  const [first, second] = [
    await pairFor("alice-home.ts.net", start),
    await pairFor("alice-home.ts.net", start + 2 * day),
  ];
  await using world = new World(() => Promise.resolve(first));
  assert.equal(world.keeper.current, undefined);
  assert.match(world.keeper.problem!, /not been requested/);
  await world.advance(0);
  assert.equal(world.keeper.current?.key, first.key);
  assert.equal(world.keeper.problem, undefined);
  world.answer = () => Promise.resolve(second);
  await world.advance(2 * day - 120 * minute);
  assert.equal(world.asked.length, 1);
  await world.advance(240 * minute);
  assert.equal(world.keeper.current?.key, second.key);
  assert.equal(world.keeper.current?.notAfter.getTime(), start + 5 * day);
  assert.deepEqual(world.asked.map(({ minValidityMs }) => minValidityMs), [undefined, day]);
  assert.deepEqual(world.told, [
    "alice-home.ts.net until 2026-01-04T00:00:00.000Z",
    "alice-home.ts.net until 2026-01-06T00:00:00.000Z",
  ]);
});

Deno.test("certificate keeper: a failed renewal keeps the old one, says why, and is tried again with growing pauses", async () => {
  const first = await pairFor("alice-home.ts.net", start);
  await using world = new World(() => Promise.resolve(first));
  await world.advance(0);
  world.answer = refused;
  await world.advance(2 * day + 20 * 60 * minute);
  assert.equal(world.keeper.current?.key, first.key);
  assert.equal(world.keeper.problem, "rate limited; the certificate is valid until 2026-01-04T00:00:00.000Z");
  const tries = world.asked.length;
  assert(tries > 20 && tries < 40, String(tries));
  await world.advance(5 * 60 * minute);
  assert.match(world.keeper.problem!, /; the certificate has expired at 2026-01-04/);
  assert.equal(world.keeper.current?.key, first.key);
  const second = await pairFor("alice-home.ts.net", start + 3 * day);
  world.answer = () => Promise.resolve(second);
  await world.advance(61 * minute);
  assert.equal(world.keeper.problem, undefined);
  assert.equal(world.keeper.current?.key, second.key);
});

Deno.test("certificate keeper: the daemon sends the old one again: kept, with the reason", async () => {
  const first = await pairFor("alice-home.ts.net", start);
  await using world = new World(() => Promise.resolve(first));
  await world.advance(2 * day + 120 * minute);
  assert.match(world.keeper.problem!, /was not renewed/);
  assert.equal(world.told.length, 1);
});

Deno.test("certificate keeper: an old daemon's nearly expired certificate is used at once, and renewed in a minute", async () => {
  const [old, fresh] = [
    await pairFor("alice-home.ts.net", start - 2.9 * day),
    await pairFor("alice-home.ts.net", start),
  ];
  await using world = new World(() => Promise.resolve(old));
  await world.advance(0);
  assert.equal(world.keeper.current?.key, old.key);
  world.answer = () => Promise.resolve(fresh);
  await world.advance(minute);
  assert.equal(world.keeper.current?.key, fresh.key);
  assert.equal(world.keeper.problem, undefined);
});

Deno.test("certificate keeper: a node with another name gets its certificate within an hour", async () => {
  const [first, second] = [await pairFor("alice-home.ts.net", start), await pairFor("renamed.ts.net", start)];
  await using world = new World((domain) => Promise.resolve(domain === "renamed.ts.net" ? second : first));
  await world.advance(0);
  assert.equal(world.keeper.current?.domain, "alice-home.ts.net");
  world.domains = ["renamed.ts.net"];
  await world.advance(60 * minute);
  assert.equal(world.keeper.current?.domain, "renamed.ts.net");
  assert.equal(world.asked.at(-1)?.minValidityMs, day);
});

Deno.test("certificate keeper: a tailnet without HTTPS, or only names of services: no certificate is requested", async () => {
  await using world = new World(() => assert.fail("requested"));
  for (const domains of [[], ["*.alice-home.ts.net"]]) {
    world.domains = domains;
    await world.advance(180 * minute);
    assert.equal(world.keeper.current, undefined);
    assert.match(world.keeper.problem!, /has no HTTPS/);
  }
});

Deno.test("certificate keeper: another name, another key, an expired or unreadable certificate: not taken", async () => {
  const own = await pairFor("alice-home.ts.net", start);
  const cases: [CertificatePair, RegExp][] = [
    [await pairFor("eve.ts.net", start), /is for DNS:eve\.ts\.net/],
    [{ ...own, key: (await pairFor("alice-home.ts.net", start)).key }, /has another key/],
    [await pairFor("alice-home.ts.net", start - 4 * day), /has expired at/],
    [{ ...own, certificate: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" }, /can't be read/],
    [{ ...own, key: "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n" }, /can't be read/],
  ];
  for (const [pair, problem] of cases) {
    await using world = new World(() => Promise.resolve(pair));
    await world.advance(0);
    assert.equal(world.keeper.current, undefined);
    assert.match(world.keeper.problem!, problem);
  }
});
