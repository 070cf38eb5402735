import assert from "node:assert/strict";
import { readConfig, SettingsError } from "./config.ts";

const read = (env: Record<string, string>, args: string[] = []) => readConfig(args, (name) => env[name], false);

Deno.test("KEYSTONE_LISTEN not set: health and metrics on this machine only, and optional", () => {
  const { listen, listenGiven } = read({});
  assert.deepEqual(listen, { hostname: "127.0.0.1", port: 8080 });
  assert.equal(listenGiven, false);
  assert.equal(read({ KEYSTONE_LISTEN: "" }).listenGiven, false);
});

for (
  const [text, listen] of [
    ["8080", { hostname: "127.0.0.1", port: 8080 }],
    [":8080", { hostname: "127.0.0.1", port: 8080 }],
    ["0", { hostname: "127.0.0.1", port: 0 }],
    ["0.0.0.0:9000", { hostname: "0.0.0.0", port: 9000 }],
    ["[::1]:8080", { hostname: "::1", port: 8080 }],
    ["localhost:1", { hostname: "localhost", port: 1 }],
    ["off", undefined],
  ] as const
) {
  Deno.test(`KEYSTONE_LISTEN=${text}: accepted`, () => {
    const config = read({ KEYSTONE_LISTEN: text });
    assert.deepEqual(config.listen, listen);
    assert.equal(config.listenGiven, true);
  });
}

for (const text of ["on", "::1:8080", "65536", "a b:1", "1.2.3.4:", "http://x:1", "-1", "8080/metrics"]) {
  Deno.test(`KEYSTONE_LISTEN=${text}: refused with name, value and remedy`, () => {
    assert.throws(
      () => read({ KEYSTONE_LISTEN: text }),
      (error) =>
        error instanceof SettingsError && error.message.startsWith(`KEYSTONE_LISTEN is "${text}", but must be a port`),
    );
  });
}

Deno.test("flag and variable: the flag takes precedence", () => {
  assert.deepEqual(read({ KEYSTONE_LISTEN: "1" }, ["--listen", "2"]).listen, { hostname: "127.0.0.1", port: 2 });
});

Deno.test("port without an address in a pod: opened on the pod's own address, IPv4 or IPv6", () => {
  for (const POD_IP of ["10.0.0.7", "fd00::7"]) {
    const config = read({
      POD_IP,
      KEYSTONE_LISTEN: "8080",
      KEYSTONE_FRONT_LISTEN: "8081",
      KEYSTONE_WEBHOOK: "service",
    });
    assert.deepEqual(config.listen, { hostname: POD_IP, port: 8080 });
    assert.deepEqual(config.frontListen, { hostname: POD_IP, port: 8081 });
    assert.equal(config.webhook?.hostname, POD_IP);
    const given = read({ POD_IP, KEYSTONE_LISTEN: "[::1]:8080", KEYSTONE_WEBHOOK: "https://192.0.2.1:9443" });
    assert.deepEqual(given.listen, { hostname: "::1", port: 8080 });
    assert.equal(given.webhook?.hostname, "192.0.2.1");
  }
});

for (
  const [text, place] of [
    ["127.0.0.1:8443", { at: "loopback", port: 8443 }],
    ["tailnet:443", { at: "tailnet", port: 443 }],
    ["off", undefined],
    ["", undefined],
  ] as const
) {
  Deno.test(`KEYSTONE_TAILNET_LISTEN=${text}: accepted`, () => {
    assert.deepEqual(read({ KEYSTONE_TAILNET_LISTEN: text }).tailnetListen, place);
  });
}

for (const text of ["8443", "0.0.0.0:8443", "192.0.2.1:8443", "tailnet", "tailnet:0", "127.0.0.1:65536", "on"]) {
  Deno.test(`KEYSTONE_TAILNET_LISTEN=${text}: refused, because it is no place of the tailnet`, () => {
    assert.throws(
      () => read({ KEYSTONE_TAILNET_LISTEN: text }),
      (error) =>
        error instanceof SettingsError &&
        error.message.startsWith(`KEYSTONE_TAILNET_LISTEN is "${text}", but must be 127.0.0.1:PORT`),
    );
  });
}
