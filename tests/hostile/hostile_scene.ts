/** A cluster as users install it, with all guards on: one guest who means harm, and one who only works there. */
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

/** The operator's own ServiceAccount: guards and roles judge it as they do in a cluster. */
export const hostileOperator = "system:serviceaccount:keystone-system:keystone-operator";

/** A person of a realm, who has what `keystone-guest` gives and nothing else. */
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
  /** As a cluster admin. */
  cluster: TestCluster;
  operator: TestOperator;
  /** kubectl as a cluster admin; throws what it says when it fails. */
  admin(args: string[], stdin?: string): Promise<string>;
  /** Means harm. */
  mallory: HostileGuest;
  /** Does not. */
  bob: HostileGuest;
}

export interface SceneOptions {
  /** Of both grants. */
  hard?: Record<string, string | number>;
  trustLevel?: RealmSpec["trustLevel"];
  /** The operator's configuration file. */
  settings?: unknown;
  /** Where the operator asks for DNS names. */
  names?: NameResolver;
  lab?: LabOptions;
  /** A lab for this scene alone, for what would end the lab that others share. */
  ownLab?: boolean;
}

const generous = { cpu: "4", memory: "4Gi", pods: "40", "requests.storage": "10Gi" };

/** Starts all of it; both grants are Active when it returns. */
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
