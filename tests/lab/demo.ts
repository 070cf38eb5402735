/** `deno task demo`: the story end to end on a lab, told in plain lines, each step checked. */
import { parseArgs } from "node:util";
import { createRestClient, Kubeconfig, type ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type ResourceQuota } from "../../lib/kubernetes_apis/core@v1.ts";
import { type Grant, KeystoneV1alpha1Api, type Realm } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { NetworkingV1Api } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { version } from "../../src/version.ts";
import { type Lab, startLab } from "./lab.ts";
import { poll } from "./poll.ts";
import { freePorts } from "./ports.ts";
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

/** Raised when a step of the story is not as it should be. */
class StepFailed extends Error {}

/** Waits until the question is answered, says so with the time it took, and counts it. */
async function check<T>(what: string, look: () => Promise<T | string>, withinMs = 10_000): Promise<T> {
  const began = performance.now();
  let seen: T | string = "nothing yet";
  try {
    await poll(what, async () => {
      seen = await look();
      return typeof seen === "string" ? seen : true;
    }, { withinMs, everyMs: 20 });
  } catch {
    throw new StepFailed(`${what}: ${String(seen)}, and that for ${withinMs / 1000} s.`);
  }
  say(`  ${paint(32, "✓")} ${what} ${paint(2, `(${Math.round(performance.now() - began)} ms)`)}`);
  passed++;
  return seen as T;
}

class Story {
  readonly #grants: ResourceApi<Grant>;
  readonly #realms: ResourceApi<Realm>;
  readonly #quotas: ResourceApi<ResourceQuota>;

  constructor(readonly lab: Lab, readonly rest: RestClient) {
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
        : `its phase is ${grant.status?.phase ?? "not set"} (${grant.status?.message ?? "no message"})`;
    };
  }

  realmIs(state: string): () => Promise<Realm | string> {
    return async () => {
      const realm = await this.#realms.get("bob-home");
      return realm.status?.connectionState === state ? realm : `it is ${realm.status?.connectionState ?? "not set"}`;
    };
  }

  quotaHas(key: string, value: string): () => Promise<ResourceQuota | string> {
    return async () => {
      const quota = await this.#quotas.get("keystone");
      const enforced = quota.status?.hard?.[key];
      return enforced === value ? quota : `it enforces ${enforced ?? "nothing"}`;
    };
  }

  async enforce(): Promise<void> {
    step("Alice writes that Bob is a realm, and what she grants him");
    await this.kubectl(["apply", "-f", `${root}deploy/examples/`]);
    shown(await Deno.readTextFile(`${root}deploy/examples/grant.yaml`));
    await check("the Grant is Active", this.grantIs("Active"));
    await check("the Realm is Connected", this.realmIs("Connected"));
    shown(await this.kubectl(["get", "grants,realms"]));

    step("What stands in guest-bob-home now");
    await check("the quota enforces what was granted", this.quotaHas("requests.cpu", "2"));
    await check("all traffic is denied, but to and from Bob's node, among his own pods, and to DNS", async () => {
      const policies = await new NetworkingV1Api(this.rest).namespace("guest-bob-home").networkPolicies.list();
      const names = policies.items.map(({ metadata }) => metadata.name).sort().join(", ");
      return names === "default-deny, dns, guest-internal, realm" ? policies : `the policies are ${names}`;
    });
    shown(await this.kubectl(["get", "resourcequota,networkpolicy", "-n", "guest-bob-home"]));
  }

  /** Path of what Bob works with. */
  get bobs(): string {
    return `${this.lab.dir}/bob.kubeconfig`;
  }

  asBob(args: string[], stdin?: string) {
    return this.lab.kubectl(args, { kubeconfig: this.bobs, ...(stdin === undefined ? {} : { stdin }) });
  }

  async letIn(): Promise<void> {
    step("Alice gives Bob a way in: keystone kubeconfig bob-home");
    shown(await this.keystone(["grants"]));
    await this.keystone(["kubeconfig", "bob-home", "--out", this.bobs]);
    await check("he sees his namespace, and nothing else", async () => {
      const own = await this.asBob(["get", "pods"]);
      const others = await this.asBob(["get", "pods", "-n", "kube-system"]);
      if (own.code !== 0) return own.stderr;
      return others.code !== 0 && /forbidden/i.test(others.stderr) ? { own } : "he sees kube-system too";
    });
  }

  /** The command, as a user runs it. */
  async keystone(args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", `--config=${root}deno.json`, `${root}src/cli/main.ts`, ...args],
      env: { KUBECONFIG: this.lab.kubeconfig, NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stdout);
    if (!success) throw new StepFailed(`keystone ${args.join(" ")}: ${said}${new TextDecoder().decode(stderr)}`);
    return said;
  }

  async use(): Promise<void> {
    step("Bob starts a pod that fits");
    const { code, stderr } = await this.asBob(["apply", "-f", "-"], guestPod("fits", { cpu: "500m", memory: "1Gi" }));
    if (code !== 0) throw new StepFailed(stderr);
    await check("it was admitted, and his share shows it", async () => {
      const usage = (await this.#grants.get("alice-to-bob-compute")).status?.actualUsage ?? {};
      return usage["requests.cpu"] === "500m" ? usage : `actualUsage is ${JSON.stringify(usage)}`;
    });
    step("Bob applies a Deployment that doesn't");
    const { spec } = JSON.parse(guestPod("big", { cpu: "1", memory: "1Gi" }));
    const big = JSON.stringify(deploymentOf({ name: "big" }, spec, { replicas: 3 }));
    await check("it is refused, in these words:", async () => {
      const { code, stderr } = await this.asBob(["apply", "--dry-run=server", "-f", "-"], big);
      if (code === 0 || !stderr.includes("denied the request: Deployment big")) {
        return `it said: ${stderr || "created"}`;
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
    await check("the grant stays as it is: unreachable is not revoked", async () => {
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
    await check("nothing is granted any more: the quota is closed", this.quotaHas("requests.cpu", "0"));
    const bobGets = async () => (await this.asBob(["get", "pods"])).stderr;
    await check("Bob is locked out", async () => {
      const said = await bobGets();
      return /forbidden|unauthorized|logged in/i.test(said) ? { said } : said || "he isn't";
    }, 2000);
    await check("his token itself is no longer good", async () => {
      const said = await bobGets();
      return /unauthorized|logged in/i.test(said) ? { said } : said;
    }, 15_000);
    await check("what Bob had stored stays: the namespace is there, closed", async () => {
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
  const story = new Story(lab, rest);
  step("The operator starts, before its custom resources are there");
  const log = await Deno.open(`${lab.dir}/logs/operator.log`, { create: true, append: true });
  const env = {
    KUBECONFIG: lab.kubeconfig,
    TS_SOCKET: lab.realms["alice-home"]!.socket,
    KEYSTONE_REALM: "",
    KEYSTONE_LOG: "json",
    KEYSTONE_WEBHOOK: `https://${ownAddress()}:${freePorts(1)[0]}`,
  };
  await using operator = await startOperator(env, log);
  await check("it says what it misses, and waits", async () => {
    const text = await Deno.readTextFile(`${lab.dir}/logs/operator.log`);
    const said = text.match(/The custom resource definition[^"]*/)?.[0];
    return said ? { said } : "its log doesn't say so";
  }).then(({ said }) => shown(said));
  await story.kubectl(["apply", "-f", `${root}crds/`]);
  await story.kubectl(["apply", "-k", `${root}deploy/kustomize/base`]);
  await story.kubectl(["apply", "-k", `${root}deploy/kustomize/webhook`]);
  await check("with them installed it goes on by itself", async () => {
    const { code, stdout } = await lab.kubectl([
      "get",
      "lease",
      "keystone-operator",
      "-n",
      "keystone-system",
      "-o",
      "jsonpath={.spec.holderIdentity}",
    ]);
    return code === 0 && stdout ? { holder: stdout } : "it holds no Lease yet";
  });
  await story.enforce();
  await story.letIn();
  await story.use();
  await story.loseBob();
  await story.expire();
  if (once) return;
  step("Now it's yours");
  say(`  export KUBECONFIG=${lab.kubeconfig}\n`);
  say("  kubectl get grants,realms");
  say("  kubectl explain grant.spec");
  say("  deno task keystone doctor, grants, explain grant alice-to-bob-compute");
  say(`  The operator's log: ${lab.dir}/logs/operator.log`);
  say("  Ctrl-C ends it all.");
  await operator.interrupted;
}

/**
 * Where the API server reaches the webhook: not on loopback, where this tailscaled, which has no network device, delivers
 * what any node of the tailnet sends.
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
  // Just what `deno task run` starts: the operator, and the front beside it.
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
      } catch { /* it has ended by itself; its log says why */ }
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
  say(paint(1, "Keystone: Alice lends Bob part of her cluster"));
  say("Starting a Kubernetes control plane and a tailnet with two nodes, alice-home and bob-home.");
  await using lab = await startLab({ realms: ["alice-home", "bob-home"], scheduler: true });
  try {
    await tell(lab);
  } catch (error) {
    failed = 1;
    console.error(`\n${paint(31, "✗")} ${(error as Error).message}`);
    if (!(error instanceof StepFailed)) console.error((error as Error).stack);
    console.error(
      `The operator's last words:\n${
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
