/** The operator and the front of a lender on a lab's tailnet, as users run them. */
import { type OperatorProcess, startBothProcesses } from "../../tests/fixtures/operator_process.ts";
import { getAs } from "../../tests/fixtures/tailnet_dial.ts";
import { type TailnetStream, tailnetStream } from "../../tests/fixtures/tailnet_guests.ts";
import type { Lab } from "../../tests/lab/lab.ts";
import { poll } from "../../tests/lab/poll.ts";
import { freePorts } from "../../tests/lab/ports.ts";

/** The lender's realm, and those of its guests. */
export const lender = "alice-home";
export const servedRealms = ["bob-home", "carol-home"] as const;
export type ServedRealm = (typeof servedRealms)[number];
/** The guest whose login is also one of the lender's people. */
export const viewer = "carol-home";

/** Streams that are opened at a time, as a tailscaled takes them. */
const openedAtOnce = 10;
const patienceMs = 180_000;

/** The running processes. The lab needs the overlays `base` and `webhook`. */
export class ServedTailnet implements AsyncDisposable {
  private constructor(readonly lab: Lab, readonly port: number, readonly operator: OperatorProcess) {}

  static async start(lab: Lab): Promise<ServedTailnet> {
    const [port, webhook] = freePorts(2) as [number, number];
    const operator = startBothProcesses({
      KUBECONFIG: lab.kubeconfig,
      TS_SOCKET: lab.realms[lender]!.socket,
      KEYSTONE_REALM: lender,
      KEYSTONE_LISTEN: "off",
      KEYSTONE_FRONT_LISTEN: "off",
      KEYSTONE_WEBHOOK: `https://127.0.0.1:${webhook}`,
      KEYSTONE_TAILNET_LISTEN: `127.0.0.1:${port}`,
    });
    const served = new ServedTailnet(lab, port, operator);
    try {
      await operator.says(/The tailnet server is at/, patienceMs);
    } catch (error) {
      await operator.stop();
      throw error;
    }
    return served;
  }

  /** Process ID of the front. */
  async frontPid(): Promise<number> {
    const { pid } = this.operator;
    const children = (await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`)).trim().split(" ");
    for (const child of children) {
      if (/front\/main\.ts/.test(await Deno.readTextFile(`/proc/${child}/cmdline`))) return Number(child);
    }
    throw new Error(`None of the processes ${children.join(", ")} is the front.`);
  }

  /** Waits until this guest is served. */
  async serves(realm: ServedRealm): Promise<void> {
    const { ipv4 } = this.lab.realms[lender]!;
    await poll(`${realm} is served`, async () => {
      const said = await getAs(this.lab.realms[realm]!.socket, ipv4, this.port, "/k8s", ipv4);
      return said?.includes(`/k8s/${realm}`) || (said ?? "nothing answers");
    }, { withinMs: patienceMs });
  }

  /** Waits until the lender's page has this text at its beginning. */
  async shows(text: string): Promise<void> {
    const { ipv4 } = this.lab.realms[lender]!;
    await poll(`the page shows "${text}"`, async () => {
      const said = await getAs(this.lab.realms[viewer]!.socket, ipv4, this.port, "/", ipv4) ?? "nothing";
      return said.includes(text) || (/[\d,]+ grants in force[^<]*/.exec(said)?.[0] ?? said);
    }, { withinMs: 900_000, everyMs: 1000 });
  }

  /** Opens a stream as a guest. */
  async stream(
    realm: ServedRealm,
    path: string,
    { headers, onText }: { headers?: Record<string, string>; onText?: (text: string) => void } = {},
  ): Promise<TailnetStream> {
    const { lab, port } = this;
    const { ipv4 } = lab.realms[lender]!;
    return await tailnetStream(lab.realms[realm]!.socket, ipv4, port, path, headers, onText);
  }

  /** Opens watches of a guest's ConfigMaps. */
  async watches(count: number, realm: ServedRealm): Promise<TailnetStream[]> {
    const path = `/k8s/${realm}/api/v1/namespaces/guest-${realm}/configmaps?watch=true`;
    const all: TailnetStream[] = [];
    while (all.length < count) {
      const more = Math.min(openedAtOnce, count - all.length);
      all.push(...await Promise.all(Array.from({ length: more }, () => this.stream(realm, path))));
    }
    const refused = all.find(({ first }) => !/^HTTP\/1.1 200 /.test(first));
    if (refused) throw new Error(`A watch of ${realm} was refused: ${refused.first}`);
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.operator.stop();
  }
}
