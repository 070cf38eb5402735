import assert from "node:assert/strict";
import { readConfig } from "./config.ts";
import { frontPermissions, operatorCommand, permissions } from "./launch.ts";

const pod: Readonly<Record<string, string>> = {
  POD_IP: "10.42.0.9",
  TS_SOCKET: "/var/run/tailscale/tailscaled.sock",
  KEYSTONE_CONFIG: "/etc/keystone/config.yaml",
  KEYSTONE_HANDOVER: "/var/run/keystone",
  KEYSTONE_LISTEN: "8080",
  KEYSTONE_FRONT_LISTEN: "8081",
  KEYSTONE_WEBHOOK: "service",
};
const namesOf = (flags: readonly string[]) => flags.map((flag) => flag.split("=")[0]);
const valuesOf = (flags: readonly string[], name: string) =>
  flags.find((flag) => flag.startsWith(`${name}=`))?.slice(name.length + 1).split(",");

Deno.test("operator in a pod: may run no program and write only the socket and the handover folder", async () => {
  const kubeconfig = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(
      kubeconfig,
      "current-context: c\ncontexts: [{ name: c, context: { cluster: k, user: u } }]\n" +
        "clusters: [{ name: k, cluster: { server: 'https://10.43.0.1' } }]\nusers: [{ name: u, user: { token: t } }]\n",
    );
    const config = readConfig([], (name) => ({ ...pod, KUBECONFIG: kubeconfig })[name], false);
    const flags = await permissions(config);
    assert.deepEqual(namesOf(flags), ["--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-sys"]);
    assert.deepEqual(valuesOf(flags, "--allow-write"), [pod.TS_SOCKET, pod.KEYSTONE_HANDOVER]);
    assert.deepEqual(valuesOf(flags, "--allow-sys"), ["hostname"]);
    const hosts = valuesOf(flags, "--allow-net")!.filter((host) => !host.endsWith(":53"));
    const socket = [`unix:${pod.TS_SOCKET}`, "local-tailscaled.sock:80"];
    assert.deepEqual(hosts, ["10.43.0.1:443", "10.42.0.9:8080", ...socket]);
  } finally {
    await Deno.remove(kubeconfig);
  }
});

Deno.test("front in a pod: may connect only to the API server, read the handover and its configuration, and write nothing", () => {
  const config = readConfig([], (name) => pod[name], false);
  const flags = frontPermissions(config, { folder: pod.KEYSTONE_HANDOVER!, server: "https://10.43.0.1" });
  assert.deepEqual(namesOf(flags), ["--allow-net", "--allow-read", "--allow-env"]);
  assert.deepEqual(valuesOf(flags, "--allow-net"), ["10.43.0.1:443", "10.42.0.9:9443", "10.42.0.9:8081"]);
  assert.deepEqual(valuesOf(flags, "--allow-read"), [pod.KEYSTONE_HANDOVER, pod.KEYSTONE_CONFIG]);
});

Deno.test("front with the tailnet server: may also use tailscaled's socket and listen on its port, nothing else", () => {
  const folder = pod.KEYSTONE_HANDOVER!;
  const flagsOf = (place: string, tailnetHosts: string[] = []) =>
    frontPermissions(readConfig([], (name) => ({ ...pod, KEYSTONE_TAILNET_LISTEN: place })[name], false), {
      folder,
      server: "https://10.43.0.1",
      tailnetHosts,
    });
  const before = [
    "10.43.0.1:443",
    "10.42.0.9:9443",
    "10.42.0.9:8081",
    `unix:${pod.TS_SOCKET}`,
    "local-tailscaled.sock:80",
  ];
  const inPod = flagsOf("127.0.0.1:8443", ["100.64.0.0/10"]);
  assert.deepEqual(valuesOf(inPod, "--allow-net"), [...before, "127.0.0.1:8443"]);
  assert.deepEqual(valuesOf(inPod, "--allow-write"), [pod.TS_SOCKET]);
  assert.deepEqual(valuesOf(inPod, "--allow-read"), [folder, pod.KEYSTONE_CONFIG, pod.TS_SOCKET]);
  const onHost = flagsOf("tailnet:8443", ["100.64.0.0/10", "[fd7a:115c:a1e0::1]"]);
  assert.deepEqual(valuesOf(onHost, "--allow-net"), [...before, "100.64.0.0/10:8443", "[fd7a:115c:a1e0::1]:8443"]);
  assert.deepEqual(valuesOf(flagsOf("off"), "--allow-write"), undefined);
});

Deno.test("--help without a cluster: prints the usage", async () => {
  const { code, stdout } = await (await operatorCommand(["--help"])).output();
  assert.match(new TextDecoder().decode(stdout), /deno task run/);
  assert.equal(code, 0);
});
