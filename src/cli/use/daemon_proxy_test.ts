import assert from "node:assert/strict";
import { proxyOfDaemon } from "./daemon_proxy.ts";

const usual = "/var/run/tailscale/tailscaled.sock";
const proxy = (line: string, socket = usual) => proxyOfDaemon(line.split(" "), socket, usual);

for (
  const [line, url] of [
    ["tailscaled --tun=userspace-networking --socks5-server=localhost:1055", "socks5://127.0.0.1:1055"],
    ["/usr/sbin/tailscaled -outbound-http-proxy-listen :1056", "http://127.0.0.1:1056"],
    [
      "tailscaled --outbound-http-proxy-listen=localhost:1056 --socks5-server=localhost:1055",
      "socks5://127.0.0.1:1055",
    ],
    ["tailscaled --socks5-server=[::]:1055", "socks5://127.0.0.1:1055"],
    ["tailscaled --socks5-server=192.168.1.2:1055", "socks5://192.168.1.2:1055"],
    [`tailscaled --socket=${usual} --socks5-server=:1055`, "socks5://127.0.0.1:1055"],
  ] as const
) {
  Deno.test(`${line}: ${url}`, () => assert.equal(proxy(line), url));
}

for (
  const line of [
    "tailscaled --tun=userspace-networking",
    "tailscaled --socks5-server=localhost:0",
    "tailscaled --socks5-server",
    "tailscaled --socket=/run/other.sock --socks5-server=localhost:1055",
    "grep tailscaled --socks5-server=localhost:1055",
    "/tmp/not-tailscaled --socks5-server=localhost:1055",
    "",
  ]
) {
  Deno.test(`${line || "no command line"}: no proxy`, () => assert.equal(proxy(line), undefined));
}
