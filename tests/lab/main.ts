import { parseArgs } from "node:util";
import { build } from "./build.ts";
import { kubectlLine } from "./kubectl_path.ts";
import { endLab, type Lab, openLab, startLab } from "./lab.ts";
import { NODE_NAME } from "./node.ts";
import { readState } from "./lab_state.ts";
import { type ToolGroup, TOOLS } from "./tools.ts";

const USAGE = `The lab: a real Kubernetes control plane and a real tailnet on this machine.

  deno task lab up [--dir D] [--node [--policy]] [--realms alice-home,bob-home] [--fast]
      starts the lab and returns when it is ready; it runs until \`lab down\`
      --node    a node that runs pods; needs root and containerd (missing programs are named)
      --policy  the node enforces NetworkPolicies (kube-router), and an outside network answers its pods; needs ipset and IPv6
      --realms  one tailscaled per realm, all in one tailnet
      --fast    controller-manager with raised client limits, for benchmarks
  deno task lab down [--dir D]
      ends all processes of the lab, also after an interrupted start; the logs stay
  deno task lab user NAME [--group G]... [--dir D]
      creates a user with a client certificate and prints the path of the user's kubeconfig
  deno task lab build [${Object.keys(TOOLS).join("|")}]...
      builds the programs without starting them (default: kubernetes and tailnet)

D is the lab's folder (default: .lab).`;

class UsageError extends Error {}

async function main(args: string[]): Promise<void> {
  const { values, positionals: [verb, ...rest] } = parse(args);
  const dir = values.dir ?? ".lab";
  if (values.help || verb === undefined) return console.log(USAGE);
  switch (verb) {
    case "up": {
      const started = performance.now();
      const realms = (values.realms ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "");
      const lab = await startLab({
        dir,
        realms,
        node: values.node ?? false,
        policy: values.policy ?? false,
        scheduler: true,
        fastControllers: values.fast ?? false,
        detached: true,
        progress: true,
      });
      return await describe(lab, (performance.now() - started) / 1000);
    }
    case "down": {
      const ended = await endLab(dir);
      return console.log(ended.length > 0 ? `lab: ended ${ended.join(", ")}` : `lab: no lab runs in ${dir}`);
    }
    case "user": {
      const [name] = rest;
      if (!name) throw new UsageError("NAME is not set. Example: `deno task lab user bob --group guests`.");
      await using lab = await openLab(dir);
      return console.log(await lab.user(name, { groups: values.group ?? [] }));
    }
    case "build": {
      const groups = rest.length > 0 ? rest : ["kubernetes", "tailnet"];
      for (const group of groups) {
        if (!(group in TOOLS)) {
          throw new UsageError(
            `"${group}" is not a group of programs; must be one of: ${Object.keys(TOOLS).join(", ")}.`,
          );
        }
      }
      for (const path of Object.values(await build(groups as ToolGroup[]))) console.log(path);
      return;
    }
    default:
      throw new UsageError(`"${verb}" is not a lab command; must be up, down, user or build.`);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        dir: { type: "string" },
        realms: { type: "string" },
        fast: { type: "boolean" },
        node: { type: "boolean" },
        policy: { type: "boolean" },
        group: { type: "string", multiple: true },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function describe(lab: Lab, seconds: number): Promise<void> {
  const { stdout } = await lab.kubectl(["version", "-o", "json"]);
  const version = (JSON.parse(stdout) as { serverVersion: { gitVersion: string } }).serverVersion.gitVersion;
  console.log(`lab: ready after ${seconds.toFixed(1)} s`);
  console.log(`  Kubernetes ${version}  ${lab.server}`);
  const node = readState(lab.dir)?.node;
  if (node) console.log(`  ${NODE_NAME}  ${node.node}  pods in ${node.pods}  Services in ${node.services}`);
  for (const realm of Object.values(lab.realms)) {
    console.log(`  ${realm.identity}  ${realm.ipv4}  ${realm.ipv6}  TS_SOCKET=${realm.socket}`);
  }
  console.log(`  logs in ${lab.dir}/logs; stop it with: deno task lab down --dir ${lab.dir}`);
  const kubectl = kubectlLine(lab.kubectlPath);
  if (kubectl) console.log(kubectl);
  console.log(`export KUBECONFIG=${lab.kubeconfig}`);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error(`lab: ${error instanceof Error ? error.message : error}`);
    if (error instanceof UsageError) console.error("lab: see `deno task lab --help`.");
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}
