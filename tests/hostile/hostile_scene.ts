/** A cluster as users install it, with all guards on, a hostile guest (mallory) and an ordinary one (bob). */
import assert from "node:assert/strict";
import type { ClosableRestClient } from "../../lib/kubernetes/mod.ts";
import type { RealmSpec } from "../../src/api/mod.ts";
import { parseSettings } from "../../src/api/mod.ts";
import type { NameResolver } from "../../src/dns/create_names.ts";
import { installed } from "../fixtures/in_force.ts";
import {
  clientOf,
  grantOf,
  type GrantTerms,
  prepared,
  startOperator,
  type TestCluster,
  type TestOperator,
} from "../fixtures/test_operator.ts";
import type { ExternalCluster } from "../lab/external.ts";
import { type Lab, type LabOptions, startLab } from "../lab/lab.ts";
import { sharedLab } from "../lab/shared.ts";

/** The operator's ServiceAccount, so guards and roles apply to it as in a cluster. */
export const hostileOperator = "system:serviceaccount:keystone-system:keystone-operator";

/** A person of a realm, with the rights of `keystone-guest` and no others. */
export interface HostileGuest {
  realm: string;
  namespace: string;
  /** Name of the Grant to the realm. */
  grant: string;
  kubeconfig: string;
  rest: ClosableRestClient;
  kubectl(args: string[], stdin?: string): Promise<{ code: number; said: string }>;
  /** `kubectl apply` of objects, in the guest's namespace. */
  apply(...objects: unknown[]): Promise<{ code: number; said: string }>;
}

export interface HostileScene extends AsyncDisposable {
  lab: Lab | ExternalCluster;
  /** The cluster, as a cluster admin. */
  cluster: TestCluster;
  operator: TestOperator;
  /** Runs kubectl as a cluster admin; throws its message when it fails. */
  admin(args: string[], stdin?: string): Promise<string>;
  /** The hostile guest. */
  mallory: HostileGuest;
  /** The ordinary guest. */
  bob: HostileGuest;
}

export interface SceneOptions {
  /** Amounts of both grants. */
  hard?: Record<string, string | number>;
  trustLevel?: RealmSpec["trustLevel"];
  /** Content of the operator's configuration file. */
  settings?: unknown;
  /** Address of the operator's DNS server. */
  names?: NameResolver;
  lab?: LabOptions;
  /** A lab for this scene alone, for tests that would break the shared lab. */
  ownLab?: boolean;
}

const generous = { cpu: "4", memory: "4Gi", pods: "40", "requests.storage": "10Gi" };

/** Starts the cluster and its operator; both grants are Active when it returns. */
export async function hostileScene(
  { hard = generous, trustLevel = "partner", settings = {}, names, lab: labOptions, ownLab = false }: SceneOptions = {},
): Promise<HostileScene> {
  await using starting = new AsyncDisposableStack();
  const lab = starting.use(await (ownLab ? startLab : sharedLab)(labOptions));
  const cluster = starting.use(await prepared(lab));
  await installed(lab, "base");
  const operator = starting.use(
    await startOperator(lab, {
      kubeconfig: await lab.user(hostileOperator),
      realm: "alice-home",
      settings: parseSettings(settings),
      ...(names ? { names } : {}),
    }),
  );
  const admin = async (args: string[], stdin?: string): Promise<string> => {
    const { code, stdout, stderr } = await lab.kubectl(args, stdin === undefined ? {} : { stdin });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const suffix = crypto.randomUUID().slice(0, 6);
  const guest = async (name: string): Promise<HostileGuest> => {
    const realm = `${name}-${suffix}`;
    await cluster.createRealm(realm, { trustLevel });
    const terms: GrantTerms = { name: realm, to: realm, hard, termination: { noticeSeconds: 0 } };
    await cluster.grants.create(grantOf(terms));
    await cluster.grantIn("Active", realm);
    const namespace = `guest-${realm}`;
    const kubeconfig = await lab.user(`${name}-of-${realm}`, { groups: [`keystone:realm:${realm}`] });
    const rest = starting.use(await clientOf(kubeconfig));
    const kubectl = async (args: string[], stdin?: string) => {
      const { code, stdout, stderr } = await lab.kubectl(["--namespace", namespace, ...args], {
        kubeconfig,
        ...(stdin === undefined ? {} : { stdin }),
      });
      return { code, said: stdout + stderr };
    };
    const apply = (...objects: unknown[]) =>
      kubectl(["apply", "-f", "-"], objects.map((object) => JSON.stringify(object)).join("\n---\n"));
    return { realm, namespace, grant: realm, kubeconfig, rest, kubectl, apply };
  };
  const [mallory, bob] = [await guest("mallory"), await guest("bob")];
  const all = starting.move();
  return { lab, cluster, operator, admin, mallory, bob, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
