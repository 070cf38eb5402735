import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import {
  makeAuthority,
  makeCertificateRequest,
  makeClientCertificate,
  makeServerCertificate,
  makeSigningKeys,
} from "./lab_certificates.ts";

Deno.test("certificates are signed by the authority, carry user and groups, and name the server", async () => {
  const authority = await makeAuthority();
  const ca = new X509Certificate(authority.certificate);
  assert.ok(ca.ca);

  const client = await makeClientCertificate(authority, "bob", ["guests", "keystone:readers"]);
  const certificate = new X509Certificate(client.certificate);
  assert.ok(certificate.verify(ca.publicKey));
  assert.ok(certificate.checkIssued(ca));
  assert.deepEqual(certificate.subject.split("\n").sort(), ["CN=bob", "O=guests", "O=keystone:readers"]);
  assert.ok(certificate.checkPrivateKey(createPrivateKey(client.key)));
  assert.equal(certificate.ca, false);

  const server = new X509Certificate(
    (await makeServerCertificate(authority, { dns: ["localhost"], ip: ["127.0.0.1"] })).certificate,
  );
  assert.equal(server.checkIP("127.0.0.1"), "127.0.0.1");
  assert.equal(server.checkHost("localhost"), "localhost");
  assert.equal(server.checkHost("elsewhere"), undefined);
});

Deno.test("requests and signing keys are PEM", async () => {
  const { request, key } = await makeCertificateRequest("bob", ["guests"]);
  assert.match(request, /^-----BEGIN CERTIFICATE REQUEST-----/);
  assert.match(key, /^-----BEGIN PRIVATE KEY-----/);
  const { publicKey, privateKey } = await makeSigningKeys();
  assert.match(publicKey, /^-----BEGIN PUBLIC KEY-----/);
  assert.match(privateKey, /^-----BEGIN PRIVATE KEY-----/);
});
