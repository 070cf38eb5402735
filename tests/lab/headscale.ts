import type { LabPorts, PartSpec } from "./part.ts";
import { probeOnce } from "./probe.ts";

/** The tailnet's MagicDNS domain, the same as in the specification's examples, so that they work unchanged. */
const TAILNET_DOMAIN = "tailnet-name.ts.net";

/** Headscale: the tailnet's control server, with its own relay (DERP) and STUN, on `address`. */
export function headscalePart(binary: string, dir: string, address: string, ports: LabPorts): PartSpec {
  return {
    name: "headscale",
    command: binary,
    args: ["serve", "--config", headscaleConfigPath(dir)],
    ready: () => probeOnce(`http://${address}:${ports.headscale}/health`),
  };
}

/** Returns the path of the file with {@link headscaleConfig}. */
export function headscaleConfigPath(dir: string): string {
  return `${dir}/headscale/config.yaml`;
}

/** Returns headscale's configuration. With it nothing leaves the machine. */
export function headscaleConfig(
  dir: string,
  sockets: string,
  address: string,
  ports: LabPorts,
): Record<string, unknown> {
  const data = `${dir}/headscale`;
  return {
    server_url: `http://${address}:${ports.headscale}`,
    listen_addr: `${address}:${ports.headscale}`,
    metrics_listen_addr: `127.0.0.1:${ports.headscaleMetrics}`,
    grpc_listen_addr: `127.0.0.1:${ports.headscaleGrpc}`,
    noise: { private_key_path: `${data}/noise.key` },
    prefixes: { v4: "100.64.0.0/10", v6: "fd7a:115c:a1e0::/48", allocation: "sequential" },
    derp: {
      server: {
        enabled: true,
        region_id: 999,
        region_code: "lab",
        region_name: "Lab",
        verify_clients: false,
        stun_listen_addr: `${address}:${ports.stun}`,
        private_key_path: `${data}/derp.key`,
        automatically_add_embedded_derp_region: true,
        ipv4: address,
      },
      urls: [],
      paths: [],
      auto_update_enabled: false,
    },
    disable_check_updates: true,
    database: { type: "sqlite", sqlite: { path: `${data}/db.sqlite`, write_ahead_log: true } },
    log: { level: "info", format: "text" },
    policy: { mode: "database" },
    dns: {
      magic_dns: true,
      base_domain: TAILNET_DOMAIN,
      override_local_dns: false,
      nameservers: { global: [] },
    },
    unix_socket: `${sockets}/headscale.sock`,
    unix_socket_permission: "0700",
    logtail: { enabled: false },
  };
}
