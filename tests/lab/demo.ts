/** `deno task demo`: the whole story on a lab, step by step, with each step checked. */
import { parseArgs } from "node:util";
import { createRestClient, Kubeconfig, type ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { LocalClient } from "../../lib/tailscale/mod.ts";
import { CoreV1Api, type ResourceQuota } from "../../lib/kubernetes_apis/core@v1.ts";
import { type Grant, KeystoneV1alpha1Api, type Realm } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { NetworkingV1Api } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { version } from "../../src/version.ts";
import { kubectlLine } from "./kubectl_path.ts";
import { type Lab, startLab } from "./lab.ts";
import { poll } from "./poll.ts";
import { freePorts } from "./ports.ts";
import { Progress } from "./progress.ts";
import { deploymentOf, guestPod } from "./lab_workloads.ts";

const root = new URL("../..", import.meta.url).pathname;
const { once } =
  parseArgs({ args: Deno.args.filter((arg) => arg !== "--"), options: { once: { type: "boolean", default: false } } })
    .values;

let passed = 0;
const color = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
const paint = (code: number, text: string): string => color ? `\x1b[${code}m${text}\x1b[0m` : text;

const say = (text: string): void => console.log(text);
const step = (text: string): void => say(`\n${paint(1, text)}`);
const shown = (text: string): void => say(text.trimEnd().split("\n").map((line) => `    ${line}`).join("\n"));

/** Error of a step of the demo whose outcome is wrong. */
class StepFailed extends Error {}

/** Polls until `look` returns an object, prints the check with the time it took, and counts it. */
async function check<T>(what: string, look: () => Promise<T | string>, withinMs = 10_000): Promise<T> {
  const began = performance.now();
  let seen: T | string = "no result";
  const line = () => `  … ${what} (${Math.round((performance.now() - began) / 1000)} s)`;
  try {
    using _progress = Deno.stdout.isTerminal() ? new Progress(line, Deno.stdout) : undefined;
    await poll(what, async () => {
      seen = await look();
      return typeof seen === "string" ? seen : true;
    }, { withinMs, everyMs: 20 });
  } catch {
    throw new StepFailed(`${what}: timed out after ${withinMs / 1000} s; last result: ${String(seen)}`);
  }
  say(`  ${paint(32, "✓")} ${what} ${paint(2, `(${Math.round(performance.now() - began)} ms)`)}`);
  passed++;
  return seen as T;
}

class Story {
  readonly #grants: ResourceApi<Grant>;
  readonly #realms: ResourceApi<Realm>;
  readonly #quotas: ResourceApi<ResourceQuota>;

  constructor(readonly lab: Lab, readonly rest: RestClient, readonly tailnetPort: number) {
    this.#grants = new KeystoneV1alpha1Api(rest).grants;
    this.#realms = new KeystoneV1alpha1Api(rest).realms;
    this.#quotas = new CoreV1Api(rest).namespace("guest-bob-home").resourceQuotas;
  }

  async kubectl(args: string[], stdin?: string): Promise<string> {
    const { code, stdout, stderr } = await this.lab.kubectl(args, stdin === undefined ? {} : { stdin });
    if (code !== 0) throw new StepFailed(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
    return stdout;
  }

  grantIs(phase: string): () => Promise<Grant | string> {
    return async () => {
      const grant = await this.#grants.get("alice-to-bob-compute");
      return grant.status?.phase === phase
        ? grant
        : `the phase is ${grant.status?.phase ?? "not set"} (${grant.status?.message ?? "no message"})`;
    };
  }

  realmIs(state: string): () => Promise<Realm | string> {
    return async () => {
      const realm = await this.#realms.get("bob-home");
      return realm.status?.connectionState === state
        ? realm
        : `connectionState is ${realm.status?.connectionState ?? "not set"}`;
    };
  }

  quotaHas(key: string, value: string): () => Promise<ResourceQuota | string> {
    return async () => {
      const quota = await this.#quotas.get("keystone");
      const enforced = quota.status?.hard?.[key];
      return enforced === value ? quota : `status.hard has ${enforced ?? "no value"}`;
    };
  }

  async enforce(): Promise<void> {
    step("Alice creates the Realm bob-home and a Grant to it");
    await this.kubectl(["apply", "-f", `${root}deploy/examples/`]);
    shown(await Deno.readTextFile(`${root}deploy/examples/3-grant.yaml`));
    await check("the Grant is Active", this.grantIs("Active"));
    await check("the Realm is Connected", this.realmIs("Connected"));
    shown(await this.kubectl(["get", "grants,realms"]));

    step("The operator has set up the guest namespace guest-bob-home");
    await check("the ResourceQuota enforces the grant", this.quotaHas("requests.cpu", "2"));
    await check("NetworkPolicies deny all traffic except with Bob's node, between Bob's pods, and to DNS", async () => {
      const policies = await new NetworkingV1Api(this.rest).namespace("guest-bob-home").networkPolicies.list();
      const names = policies.items.map(({ metadata }) => metadata.name).sort().join(", ");
      return names === "default-deny, dns, guest-internal, realm" ? policies : `the policies are ${names}`;
    });
    shown(await this.kubectl(["get", "resourcequota,networkpolicy", "-n", "guest-bob-home"]));
  }

  /** Path of Bob's kubeconfig. */
  get bobs(): string {
    return `${this.lab.dir}/bob.kubeconfig`;
  }

  asBob(args: string[], stdin?: string) {
    return this.lab.kubectl(args, { kubeconfig: this.bobs, ...(stdin === undefined ? {} : { stdin }) });
  }

  async letIn(): Promise<void> {
    step("Bob points kubectl at Alice's cluster, over the tailnet: keystone use alice-home");
    shown((await this.keystone(["grant", "list"])).said);
    const use = ["use", "alice-home", `--port=${this.tailnetPort}`];
    const { said } = await check("Bob's node is known, and the kubeconfig has no secret", async () => {
      const { success, said } = await this.keystone(use, this.asBobs);
      if (!success) return said;
      const text = await Deno.readTextFile(this.bobs);
      return /token|password|-data:/.test(text.replace(/certificate-authority-data:.*/, "")) ? text : { said };
    }, 30_000);
    shown(said);
    await check("Bob can read the guest namespace and no other", async () => {
      const own = await this.asBob(["get", "pods"]);
      const others = await this.asBob(["get", "pods", "-n", "kube-system"]);
      if (own.code !== 0) return own.stderr;
      return others.code !== 0 && /forbidden/i.test(others.stderr) ? { own } : "Bob can read kube-system too";
    });
    await check(`Bob's browser shows the grant at ${this.page}`, async () => {
      const text = await this.pageAs("bob-home");
      return /alice-to-bob-compute/.test(text) && /for bob-home/.test(text) ? { text } : text || "no answer";
    });
  }

  /** Address of the page. */
  get page(): string {
    return `http://${this.lab.realms["alice-home"]!.identity}:${this.tailnetPort}/`;
  }

  /** Returns the page as a browser on a node gets it. */
  async pageAs(realm: string): Promise<string> {
    const { hostname: host } = new URL(this.page);
    using client = new LocalClient({ socket: this.lab.realms[realm]!.socket });
    const stream = await client.dial(host, this.tailnetPort);
    try {
      const writer = stream.writable.getWriter();
      const head = `GET / HTTP/1.1\r\nhost: ${host}:${this.tailnetPort}\r\nconnection: close\r\n\r\n`;
      await writer.write(new TextEncoder().encode(head));
      let text = "";
      for await (const part of stream.readable.pipeThrough(new TextDecoderStream())) text += part;
      return text;
    } finally {
      stream.close();
    }
  }

  /** Environment of Bob's machine. */
  get asBobs(): Record<string, string> {
    return {
      KUBECONFIG: this.bobs,
      TS_SOCKET: this.lab.realms["bob-home"]!.socket,
      XDG_STATE_HOME: `${this.lab.dir}/bob-state`,
    };
  }

  /** Runs the `keystone` command as a user does, by default as Alice. */
  async keystone(
    args: string[],
    env: Record<string, string> = { KUBECONFIG: this.lab.kubeconfig },
  ): Promise<{ success: boolean; said: string }> {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", `--config=${root}deno.json`, `${root}src/cli/main.ts`, ...args],
      env: { NO_COLOR: "1", ...env },
    }).output();
    const [said, complaint] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { success, said: success ? said! : `${said}${complaint}` };
  }

  async use(): Promise<void> {
    step("Bob starts a pod within the grant");
    const { code, stderr } = await this.asBob(["apply", "-f", "-"], guestPod("fits", { cpu: "500m", memory: "1Gi" }));
    if (code !== 0) throw new StepFailed(stderr);
    await check("the pod is admitted, and the Grant shows its usage", async () => {
      const usage = (await this.#grants.get("alice-to-bob-compute")).status?.actualUsage ?? {};
      return usage["requests.cpu"] === "500m" ? usage : `actualUsage is ${JSON.stringify(usage)}`;
    });
    step("Bob applies a Deployment that exceeds the grant");
    const { spec } = JSON.parse(guestPod("big", { cpu: "1", memory: "1Gi" }));
    const big = JSON.stringify(deploymentOf({ name: "big" }, spec, { replicas: 3 }));
    await check("the Deployment is refused with this message:", async () => {
      const { code, stderr } = await this.asBob(["apply", "--dry-run=server", "-f", "-"], big);
      if (code === 0 || !stderr.includes("denied the request: Deployment big")) {
        return `kubectl printed: ${stderr || "created"}`;
      }
      return { said: stderr };
    }).then(({ said }) => shown(said.replace(/^.*?denied the request: /s, "").replaceAll(". ", ".\n")));
  }

  async loseBob(): Promise<void> {
    step("Bob's node goes offline, and comes back");
    const before = await this.#quotas.get("keystone");
    const node = this.lab.realms["bob-home"]!.tailscaled;
    await node.stop();
    await check("the Realm is Disconnected", this.realmIs("Disconnected"), 60_000);
    await check("the grant stays in force: an unreachable realm keeps its grants", async () => {
      const { metadata } = await this.#quotas.get("keystone");
      const grant = await this.grantIs("Active")();
      return metadata.generation === before.metadata.generation ? grant : "the quota was written";
    });
    await node.start();
    await check("the Realm is Connected again", this.realmIs("Connected"), 60_000);
  }

  async expire(): Promise<void> {
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3000);
    const validUntil = until.toISOString().replace(".000", "");
    let ended = false;
    void this.asBob(["get", "pods", "--watch"]).then(() => ended = true);
    step(`Alice moves the end of the grant to ${validUntil}, three seconds from now`);
    await this.kubectl([
      "patch",
      "grant",
      "alice-to-bob-compute",
      "--type=merge",
      "-p",
      JSON.stringify({ spec: { validity: { validUntil } } }),
    ]);
    await check("the Grant is Expired", this.grantIs("Expired"), 15_000);
    const late = Date.now() - until.getTime();
    say(`    seen ${late} ms after its end`);
    await check("the ResourceQuota is down to zero", this.quotaHas("requests.cpu", "0"));
    await check(
      "Bob's open watch has ended with it",
      () => Promise.resolve(ended ? { ended } : "kubectl get pods --watch still runs"),
      2000,
    );
    const bobGets = async () => (await this.asBob(["get", "pods"])).stderr;
    await check("Bob has no access, and reads why", async () => {
      const said = await bobGets();
      return /has ended|no grant|forbidden/i.test(said) ? { said } : said || "Bob can still read the pods";
    }, 2000).then(({ said }) => shown(said));
    await check("the namespace and its data stay, and no pod is admitted", async () => {
      const { code, stderr } = await this.lab.kubectl(["create", "-f", "-"], {
        stdin: guestPod("late", { cpu: "1m", memory: "1Mi" }),
      });
      return code !== 0 && /exceeded quota|is granted 0/.test(stderr) ? { stderr } : "a pod was still admitted";
    });
    shown(await this.kubectl(["get", "grants,realms"]));
    shown((await this.kubectl(["describe", "grant", "alice-to-bob-compute"])).replace(/^[\s\S]*?\nEvents:/, "Events:"));
  }
}

async function tell(lab: Lab): Promise<void> {
  using rest = createRestClient(await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig(), {
    userAgent: `keystone-demo/${version}`,
  });
  const [webhookPort, tailnetPort] = freePorts(2) as [number, number];
  const story = new Story(lab, rest, tailnetPort);
  step("The operator starts before its CRDs are installed");
  const log = await Deno.open(`${lab.dir}/logs/operator.log`, { create: true, append: true });
  const env = {
    KUBECONFIG: lab.kubeconfig,
    TS_SOCKET: lab.realms["alice-home"]!.socket,
    KEYSTONE_REALM: "",
    KEYSTONE_LOG: "json",
    KEYSTONE_WEBHOOK: `https://${ownAddress()}:${webhookPort}`,
    KEYSTONE_TAILNET_LISTEN: `127.0.0.1:${tailnetPort}`,
  };
  await using operator = await startOperator(env, log);
  await check("the operator logs which CRD is missing, and waits", async () => {
    const text = await Deno.readTextFile(`${lab.dir}/logs/operator.log`);
    const said = text.match(/The custom resource definition[^"]*/)?.[0];
    return said ? { said } : "its log names no missing CRD";
  }).then(({ said }) => shown(said));
  await story.kubectl(["apply", "-f", `${root}crds/`]);
  await story.kubectl(["apply", "-k", `${root}deploy/kustomize/base`]);
  await story.kubectl(["apply", "-k", `${root}deploy/kustomize/webhook`]);
  await check("with the CRDs installed, the operator continues without a restart", async () => {
    const { code, stdout } = await lab.kubectl([
      "get",
      "lease",
      "keystone-operator",
      "-n",
      "keystone-system",
      "-o",
      "jsonpath={.spec.holderIdentity}",
    ]);
    return code === 0 && stdout ? { holder: stdout } : "the operator holds no Lease yet";
  });
  try {
    await story.enforce();
    await story.letIn();
    await story.use();
    await story.loseBob();
    await story.expire();
  } finally {
    await story.keystone(["use", "alice-home", "--stop"], story.asBobs);
  }
  if (once) return;
  step("The demo is done; the lab is yours to try");
  const kubectl = kubectlLine(lab.kubectlPath);
  if (kubectl) say(`  ${kubectl}`);
  say(`  export KUBECONFIG=${lab.kubeconfig}\n`);
  say("  kubectl get grants,realms");
  say("  kubectl explain grant.spec");
  say(`\n  alias keystone="'${Deno.execPath()}' task --quiet --config '${root}deno.json' keystone"\n`);
  say("  keystone doctor");
  say("  keystone grant list");
  say("  keystone explain grant alice-to-bob-compute");
  say(`  The operator's log: ${lab.dir}/logs/operator.log`);
  say("  Ctrl-C ends the lab.");
  await operator.interrupted;
}

/**
 * Returns the address on which the API server reaches the webhook. It is not a loopback address: to those this
 * tailscaled, which has no network device, delivers traffic from any node of the tailnet.
 */
const ownAddress = (): string =>
  Deno.networkInterfaces().find(({ family, address }) => family === "IPv4" && !/^(127|169\.254)\./.test(address))
    ?.address ?? "127.0.0.1";

async function startOperator(
  env: Record<string, string>,
  log: Deno.FsFile,
): Promise<AsyncDisposable & { interrupted: Promise<void> }> {
  const interrupted = Promise.withResolvers<void>();
  const interrupt = () => interrupted.resolve();
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  // Exactly what `deno task run` starts: the operator and the front.
  const { run } = JSON.parse(await Deno.readTextFile(`${root}deno.json`)).tasks as { run: { command: string } };
  const [, ...args] = run.command.split(" ");
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env: { INIT_CWD: root, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const written = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const chunk of stream) await log.write(chunk);
  }));
  return {
    interrupted: interrupted.promise,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGTERM");
      } catch { /* it has already ended; its log has the reason */ }
      await child.status;
      await written;
      log.close();
      Deno.removeSignalListener("SIGINT", interrupt);
      Deno.removeSignalListener("SIGTERM", interrupt);
    },
  };
}

let failed = 0;
try {
  say(paint(1, "Keystone: Alice lends Bob part of a Kubernetes cluster"));
  say("Starting a Kubernetes control plane and a tailnet with two nodes, alice-home and bob-home.");
  await using lab = await startLab({ realms: ["alice-home", "bob-home"], scheduler: true, progress: true });
  try {
    await tell(lab);
  } catch (error) {
    failed = 1;
    console.error(`\n${paint(31, "✗")} ${(error as Error).message}`);
    if (!(error instanceof StepFailed)) console.error((error as Error).stack);
    console.error(
      `The end of the operator's log:\n${
        (await Deno.readTextFile(`${lab.dir}/logs/operator.log`)).split("\n").slice(-15).join("\n")
      }`,
    );
  }
} catch (error) {
  failed = 1;
  console.error((error as Error).message);
}
say(`\ndemo: ${passed} checks passed, ${failed} failed`);
Deno.exit(failed);
