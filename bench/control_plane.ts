/** A control plane that can be reset: every round starts from the same state, on a database without history. */
import { CoreV1Api } from "../lib/kubernetes_apis/core@v1.ts";
import { clientOf, prepared, type TestCluster } from "../tests/fixtures/test_operator.ts";
import { type Lab, startLab } from "../tests/lab/lab.ts";
import { runCommand } from "../tests/lab/command.ts";
import { poll } from "../tests/lab/poll.ts";

export class ControlPlane implements AsyncDisposable {
  readonly #copy: string;

  private constructor(readonly lab: Lab) {
    this.#copy = `${lab.dir}/etcd-at-the-start`;
  }

  /**
   * Starts a lab and creates the objects that every round needs.
   *
   * @param fastControllers false: the controller-manager's default limits, with which it updates about 20 quotas per
   * second
   */
  static async prepare(fill: (cluster: TestCluster) => Promise<void>, fastControllers = true): Promise<ControlPlane> {
    const lab = await startLab({ fastControllers });
    try {
      using cluster = await prepared(lab);
      await fill(cluster);
      const controlPlane = new ControlPlane(lab);
      await controlPlane.#stop();
      await copy(`${lab.dir}/etcd`, controlPlane.#copy);
      return controlPlane;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts the control plane again from that state. */
  async renew(): Promise<void> {
    await this.#stop();
    await Deno.remove(`${this.lab.dir}/etcd`, { recursive: true });
    await copy(this.#copy, `${this.lab.dir}/etcd`);
    await this.lab.startControlPlane();
    await this.#controllersWork();
  }

  /** Waits until the controller-manager updates quotas' status: it reports ready before that. */
  async #controllersWork(): Promise<void> {
    using rest = await clientOf(this.lab.kubeconfig);
    const quotas = new CoreV1Api(rest).namespace("default").resourceQuotas;
    await quotas.create({ metadata: { name: "first" }, spec: { hard: { pods: 1 } } });
    await poll("the first quota has a status", async () => {
      const { status } = await quotas.get("first");
      return status?.hard !== undefined || "it has none";
    }, { withinMs: 60_000 });
    await quotas.delete("first");
  }

  async #stop(): Promise<void> {
    // The state in their memory is discarded; etcd's files are kept.
    await Promise.all([this.lab.controllerManager.kill(), this.lab.apiserver.kill()]);
    await this.lab.etcd.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
    await Deno.remove(this.lab.dir, { recursive: true }).catch(() => {});
  }
}

async function copy(from: string, to: string): Promise<void> {
  const { code, stderr } = await runCommand("cp", ["-a", from, to]);
  if (code !== 0) throw new Error(`The database can't be copied: ${stderr}`);
}
