import { makeCertificateRequest } from "./lab_certificates.ts";
import { type CommandResult, runCommand } from "./command.ts";
import { kubeconfigFor } from "./lab_kubeconfig.ts";
import type { Cluster, UserOptions } from "./lab.ts";
import { poll } from "./poll.ts";

/** The fields of `kubectl config view` that are read here. */
interface KubeconfigView {
  clusters: { cluster: { server: string; "certificate-authority-data"?: string } }[];
}

/** An existing cluster outside the lab, such as k3s, kind or a cloud's: the current context of `KUBECONFIG`. */
export class ExternalCluster implements Cluster {
  /** False: tests must not stop or kill the cluster's parts. */
  readonly owned = false;
  /** Path of a copy of the kubeconfig with the current context only. */
  readonly kubeconfig: string;
  readonly server: string;
  readonly #dir: string;
  readonly #authority: string;
  readonly #environment: Record<string, string>;

  private constructor(dir: string, view: KubeconfigView, environment: Record<string, string>) {
    const cluster = view.clusters[0]!.cluster;
    this.#dir = dir;
    this.#environment = environment;
    this.kubeconfig = `${dir}/kubeconfig`;
    this.server = cluster.server;
    this.#authority = new TextDecoder().decode(Uint8Array.fromBase64(cluster["certificate-authority-data"] ?? ""));
  }

  /** Opens the cluster of the current context, as kubectl with these environment variables finds it. */
  static async open(environment: Record<string, string>): Promise<ExternalCluster> {
    const view = await kubectl(["config", "view", "--raw", "--flatten", "--minify", "--output=json"], {
      env: environment,
    });
    if (view.code !== 0) {
      throw new Error(
        `KEYSTONE_LAB=external needs KUBECONFIG with a current context: ` +
          view.stderr.trim(),
      );
    }
    const dir = Deno.makeTempDirSync({ prefix: "keystone-external-" });
    Deno.writeTextFileSync(`${dir}/kubeconfig`, view.stdout, { mode: 0o600 });
    return new ExternalCluster(dir, JSON.parse(view.stdout) as KubeconfigView, environment);
  }

  /** Creates a user with a client certificate signed by the cluster; returns the path of the user's kubeconfig. */
  async user(name: string, options: UserOptions = {}): Promise<string> {
    const { request, key } = await makeCertificateRequest(name, options.groups ?? []);
    const id = `keystone-test-${crypto.randomUUID()}`;
    await this.#answer(["create", "-f", "-"], {
      stdin: JSON.stringify({
        apiVersion: "certificates.k8s.io/v1",
        kind: "CertificateSigningRequest",
        metadata: { name: id },
        spec: {
          request: new TextEncoder().encode(request).toBase64(),
          signerName: "kubernetes.io/kube-apiserver-client",
          usages: ["client auth"],
        },
      }),
    });
    let certificate = "";
    try {
      await this.#answer(["certificate", "approve", id]);
      await poll(`the certificate of ${name} is signed`, async () => {
        certificate = await this.#answer(["get", "csr", id, "--output=jsonpath={.status.certificate}"]);
        return certificate !== "" || "not signed yet";
      }, { withinMs: 30_000, everyMs: 200 });
    } finally {
      await this.#answer(["delete", "csr", id, "--wait=false"]);
    }
    const path = `${this.#dir}/${encodeURIComponent(name)}.kubeconfig`;
    const credentials = { certificate: new TextDecoder().decode(Uint8Array.fromBase64(certificate)), key };
    Deno.writeTextFileSync(
      path,
      kubeconfigFor({ server: this.server, authority: this.#authority }, name, credentials),
      { mode: 0o600 },
    );
    return path;
  }

  /** Runs the kubectl in PATH, by default as the admin. A nonzero exit code is a result, not an exception. */
  kubectl(
    args: string[],
    options: { stdin?: string; kubeconfig?: string; timeoutMs?: number } = {},
  ): Promise<CommandResult> {
    const { kubeconfig = this.kubeconfig, ...rest } = options;
    return kubectl(args, { ...rest, env: { ...this.#environment, KUBECONFIG: kubeconfig } });
  }

  async #answer(args: string[], options: { stdin?: string } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(args, options);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} failed: ${stderr.trim()}`);
    return stdout;
  }

  /** Removes the files written on this machine; the cluster goes on. */
  [Symbol.asyncDispose](): Promise<void> {
    Deno.removeSync(this.#dir, { recursive: true });
    return Promise.resolve();
  }
}

async function kubectl(
  args: string[],
  options: { stdin?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<CommandResult> {
  try {
    return await runCommand("kubectl", args, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error("KEYSTONE_LAB=external needs kubectl in PATH: https://kubernetes.io/docs/tasks/tools/");
  }
}
