import assert from "node:assert/strict";
import type { TailscaleStatus } from "../../../lib/tailscale/mod.ts";
import { dialObstacle } from "./api_server_dial.ts";
import { foreignSite, hostNames } from "./host_check.ts";
import { nodePlace } from "./node_place.ts";

const status = (more: Partial<TailscaleStatus> = {}): TailscaleStatus => ({
  BackendState: "Running",
  TUN: false,
  Self: { DNSName: "alice-home.tailnet-name.ts.net.", TailscaleIPs: ["100.64.0.1", "fd7a:115c:a1e0::1"] },
  ...more,
} as TailscaleStatus);

Deno.test("place: userspace mode listens on 127.0.0.1, a TUN device on the node's addresses", () => {
  const inPod = nodePlace({ at: "loopback", port: 8443 }, status());
  assert.ok(inPod.is === "open");
  assert.deepEqual(inPod.addresses, ["127.0.0.1"]);
  const onHost = nodePlace({ at: "tailnet", port: 8443 }, status({ TUN: true }));
  assert.ok(onHost.is === "open");
  assert.deepEqual(onHost.addresses, ["100.64.0.1", "fd7a:115c:a1e0::1"]);
  assert.deepEqual(onHost.names, inPod.names);
});

for (
  const [that, place, given, reason] of [
    ["127.0.0.1 beside a TUN device", "loopback", status({ TUN: true }), /set KEYSTONE_TAILNET_LISTEN to tailnet:8443/],
    ["tailnet addresses in userspace mode", "tailnet", status(), /set KEYSTONE_TAILNET_LISTEN to 127.0.0.1:8443/],
    ["a mode that is not reported", "tailnet", status({ TUN: undefined }), /userspace/],
    ["a daemon that is logged out", "loopback", status({ BackendState: "NeedsLogin" }), /not connected \(NeedsLogin\)/],
    ["a daemon without addresses", "loopback", status({ Self: null as never }), /not connected/],
  ] as [string, "loopback" | "tailnet", TailscaleStatus, RegExp][]
) {
  Deno.test(`place: ${that}: closed, with the remedy`, () => {
    const found = nodePlace({ at: place, port: 8443 }, given);
    assert.ok(found.is === "closed");
    assert.match(found.reason, reason);
  });
}

const names = hostNames("Alice-home.tailnet-name.ts.net.", ["100.64.0.1", "fd7a:115c:a1e0::1"]);
const siteOf = (headers: Record<string, string>) => foreignSite(new Map(Object.entries(headers)), names)?.status;

Deno.test("host: its names, addresses and forwarders on the caller's machine pass, with any port", () => {
  for (
    const host of [
      "alice-home",
      "alice-home:8443",
      "ALICE-HOME.tailnet-name.ts.net:1",
      "alice-home.tailnet-name.ts.net.",
      "100.64.0.1:8443",
      "[fd7a:115c:a1e0::1]:8443",
      "localhost:1",
      "127.0.0.1:8001",
      "[::1]:1",
    ]
  ) assert.equal(siteOf({ host }), undefined, host);
  assert.equal(siteOf({ host: "alice-home", "sec-fetch-site": "same-origin", origin: "http://alice-home" }), undefined);
});

Deno.test("host: another name of this address (DNS rebinding) or another site: refused", () => {
  for (
    const host of ["evil.example", "alice-home.evil.example", "xalice-home", "100.64.0.2", "", "tailnet-name.ts.net"]
  ) {
    assert.equal(siteOf({ host }), 421, host);
  }
  for (const site of ["cross-site", "same-site", "odd"]) {
    assert.equal(siteOf({ host: "alice-home", "sec-fetch-site": site }), 403, site);
  }
  for (const origin of ["null", "http://evil.example", "http://alice-home:1", "http://alice-home.evil.example"]) {
    assert.equal(siteOf({ host: "alice-home", origin }), 403, origin);
  }
});

Deno.test("API server: tokens go only over verified TLS, without a proxy", () => {
  assert.equal(dialObstacle({ server: "https://10.96.0.1" }), undefined);
  assert.match(dialObstacle({ server: "http://10.96.0.1" })!, /must begin with https:/);
  assert.match(dialObstacle({ server: "https://rancher.example/k8s/clusters/c" })!, /must have no path/);
  assert.match(dialObstacle({ server: "https://10.96.0.1", insecureSkipTlsVerify: true })!, /not verified/);
  assert.match(dialObstacle({ server: "https://10.96.0.1", proxyUrl: "http://proxy:3128" })!, /proxy-url/);
});
