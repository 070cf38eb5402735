import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { type Certificates, certificatesAt } from "./serving_certificates.ts";

const now = Date.parse("2026-06-01T12:00:00Z");
const day = 86_400_000;
const hosts = { dns: ["keystone-webhook.keystone-system.svc"], ip: ["127.0.0.1"] };
const authorities = ({ authorities }: Certificates): string[] =>
  authorities.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [];

/** True if a client that trusts `trusted` accepts the certificate of `served`. */
const isTrusted = (served: Certificates, trusted: Certificates): boolean =>
  authorities(trusted).some((pem) =>
    new X509Certificate(served.certificate).verify(new X509Certificate(pem).publicKey)
  );

Deno.test("serving certificates: valid: unchanged", async () => {
  const { certificates } = await certificatesAt(undefined, hosts, now);
  assert.ok(isTrusted(certificates, certificates));
  assert.equal((await certificatesAt(certificates, hosts, now + 50 * day)).certificates, certificates);
});

Deno.test("serving certificates: valid for all kinds of names: unchanged", async () => {
  const all = { dns: ["a.svc", "a.svc.cluster.local"], ip: ["10.0.0.1", "fd00::1", "::ffff:102:304"] };
  const { certificates } = await certificatesAt(undefined, all, now);
  assert.equal((await certificatesAt(certificates, all, now)).certificates, certificates);
});

Deno.test("serving certificates: the library that makes them isn't loaded for valid ones", async () => {
  const graph = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("serving_certificates.ts", import.meta.url).pathname],
  });
  const { modules } = JSON.parse(new TextDecoder().decode((await graph.output()).stdout)) as {
    modules: { specifier: string; dependencies?: { specifier: string; isDynamic?: boolean }[] }[];
  };
  const loaded = modules.find(({ specifier }) => specifier.endsWith("/serving_certificates.ts"))!.dependencies!
    .filter(({ isDynamic }) => !isDynamic).map(({ specifier }) => specifier);
  assert.deepEqual(loaded, ["node:crypto"]);
});

Deno.test("serving certificates: at the returned instant: renewed by the same authority", async () => {
  const first = await certificatesAt(undefined, hosts, now);
  const before = await certificatesAt(first.certificates, hosts, first.wakeAt - 1);
  const after = await certificatesAt(first.certificates, hosts, first.wakeAt);
  assert.equal(before.certificates, first.certificates);
  assert.notEqual(after.certificates.certificate, first.certificates.certificate);
  assert.equal(after.certificates.authorities, first.certificates.authorities);
});

Deno.test("serving certificates: thirty years of renewals: each certificate is trusted one step before and after", async () => {
  let { certificates, wakeAt } = await certificatesAt(undefined, hosts, now);
  const seen = new Set(authorities(certificates));
  for (let at = wakeAt; at < now + 30 * 365 * day; at = wakeAt) {
    const next = await certificatesAt(certificates, hosts, at);
    assert.notEqual(next.certificates, certificates, `nothing was due at ${new Date(at).toISOString()}`);
    assert.ok(isTrusted(next.certificates, certificates), "the new one is already trusted");
    assert.ok(isTrusted(certificates, next.certificates), "the old one is still trusted");
    assert.ok(next.wakeAt > at);
    ({ certificates, wakeAt } = next);
    for (const authority of authorities(certificates)) seen.add(authority);
  }
  assert.ok(seen.size >= 4, `${seen.size} authorities`);
  assert.ok(authorities(certificates).length <= 3);
});

const broken: [string, Partial<Certificates>][] = [
  ["empty", { authorities: "", authorityKeys: "", certificate: "", key: "" }],
  ["no certificate at all", { authorities: "hello" }],
  ["an invalid key", { authorityKeys: "-----BEGIN PRIVATE KEY-----\n%%%\n-----END PRIVATE KEY-----" }],
  ["a broken serving certificate", { certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" }],
];
for (const [that, change] of broken) {
  Deno.test(`serving certificates: ${that}: made again`, async () => {
    const { certificates: good } = await certificatesAt(undefined, hosts, now);
    const { certificates } = await certificatesAt({ ...good, ...change }, hosts, now);
    assert.ok(isTrusted(certificates, certificates));
  });
}

Deno.test("serving certificates: other name, other authority or not yet valid: made again", async () => {
  const { certificates: first } = await certificatesAt(undefined, hosts, now);
  const { certificates: other } = await certificatesAt(undefined, hosts, now);
  const renamed = await certificatesAt(first, { dns: ["elsewhere"], ip: [] }, now);
  assert.ok(new X509Certificate(renamed.certificates.certificate).subjectAltName?.includes("elsewhere"));
  const mixed = await certificatesAt({ ...first, certificate: other.certificate, key: other.key }, hosts, now);
  assert.ok(isTrusted(mixed.certificates, first));
  const early = await certificatesAt(first, hosts, now - 2 * day);
  assert.notEqual(early.certificates.certificate, first.certificate);
});
