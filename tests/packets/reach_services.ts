/** Services of all kinds, and names that lead to them. */
import { agnhostPod } from "../lab/lab_workloads.ts";
import type { PacketScene } from "./packet_scene.ts";

const GUESTS = "guest-household";

const service = (name: string, spec: Record<string, unknown>, namespace = GUESTS) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace },
  spec,
});

const dual = { ipFamilyPolicy: "RequireDualStack" };

/** Returns a slice of a Service without selector. */
const slice = (service: string, namespace: string, address: string, port: number) => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name: `${service}-1`, namespace, labels: { "kubernetes.io/service-name": service } },
  addressType: "IPv4",
  ports: [{ port, protocol: "TCP" }],
  endpoints: [{ addresses: [address] }],
});

/** Returns a guest's pod whose port has a name, and one that never becomes ready. */
function pods(): unknown[] {
  const made = (name: string, more: Record<string, unknown>) => {
    const pod = JSON.parse(
      agnhostPod({ name, namespace: GUESTS, labels: { app: name } }, ["netexec", "--http-port=8080"]),
    );
    return { ...pod, spec: { ...pod.spec, containers: [{ ...pod.spec.containers[0], ...more }] } };
  };
  return [
    made("named", { ports: [{ name: "web", containerPort: 8080 }] }),
    made("unready", { readinessProbe: { tcpSocket: { port: 9 }, periodSeconds: 600 } }),
  ];
}

const objects: unknown[] = [
  service("headless", {
    ...dual,
    clusterIP: "None",
    selector: { app: "one" },
    ports: [{ port: 80, targetPort: 8080 }],
  }),
  service("named", {
    ...dual,
    selector: { app: "named" },
    ports: [{ name: "web", port: 80, targetPort: "web" }, { name: "gone", port: 81, targetPort: "nothing" }],
  }),
  service("empty", { selector: { app: "nobody" }, ports: [{ port: 80 }] }),
  service("unready", { selector: { app: "unready" }, ports: [{ port: 80, targetPort: 8080 }] }),
  service("unready-too", {
    selector: { app: "unready" },
    publishNotReadyAddresses: true,
    ports: [{ port: 80, targetPort: 8080 }],
  }),
  service("abroad", { ports: [{ port: 80, targetPort: 8443 }] }),
  slice("abroad", GUESTS, "203.0.113.99", 8443),
  service("abroad-closed", { ports: [{ port: 80 }] }),
  slice("abroad-closed", GUESTS, "203.0.113.99", 80),
  service("on-node", { selector: { app: "on-node" }, ports: [{ port: 80, targetPort: 8080 }] }, "kube-system"),
  service("alias", { type: "ExternalName", externalName: `served.${GUESTS}.svc.cluster.local` }, "elsewhere"),
  service("alias-elsewhere", { type: "ExternalName", externalName: "served.elsewhere.svc.cluster.local" }, "elsewhere"),
  service("alias-loop", { type: "ExternalName", externalName: "alias-loop.elsewhere.svc.cluster.local" }, "elsewhere"),
];

/** Deletes the pod that never becomes ready, because other parts of the suite wait until all pods are. */
export async function removeUnready(scene: PacketScene): Promise<void> {
  await scene.kubectl(["delete", "pod", "unready", `--namespace=${GUESTS}`, "--now"]);
}

/** A TCP connection by a name, from the pod `one` of a realm's guests. */
export interface NamedFlow {
  realm: string;
  destination: string;
}

/** Creates the Services, and returns connections to their names. */
export async function namedFlows(scene: PacketScene): Promise<NamedFlow[]> {
  for (const pod of pods()) await scene.create(JSON.stringify(pod));
  await scene.create(objects.map((object) => JSON.stringify(object)).join("\n---\n"));
  await scene.kubectl(["wait", "pod/named", `--namespace=${GUESTS}`, "--for=condition=Ready", "--timeout=60s"]);
  await scene.kubectl([
    "wait",
    "pod/unready",
    `--namespace=${GUESTS}`,
    "--for=jsonpath={.status.phase}=Running",
    "--timeout=60s",
  ]);
  const [ip = ""] = scene.pods.get(`${GUESTS}/one`)!.ips;
  const dashed = ip.replaceAll(".", "-");
  const fromHousehold = [
    ..."served:80 served:81 served:8080 headless:80 headless:8080 named:80 named:81 empty:80 unready:80".split(" "),
    ..."unready-too:80 abroad:80 abroad-closed:80 nobody:80 one:8080 localhost:8080 kubernetes.default:443".split(" "),
    `served.${GUESTS}:80`,
    `served.${GUESTS}.svc:80`,
    `served.${GUESTS}.svc.cluster.local:80`,
    `served.${GUESTS}.svc.cluster.local.:80`,
    `SERVED.${GUESTS}.svc.cluster.local:80`,
    `${dashed}.headless:8080`,
    `${dashed}.served:8080`,
    `${dashed}.${GUESTS}.pod.cluster.local:8080`,
    "nobody.headless:8080",
    "served.elsewhere:80",
    "on-node.kube-system:80",
    "kube-dns.kube-system:53",
    "kube-dns.kube-system:54",
    "alias.elsewhere:80",
    "alias-elsewhere.elsewhere:80",
    "alias-loop.elsewhere:80",
    "served.guest-bob-home:80",
  ];
  const fromOthers = [
    `served.${GUESTS}.svc.cluster.local:80`,
    "kube-dns.kube-system.svc.cluster.local:53",
    `abroad.${GUESTS}:80`,
    "alias-elsewhere.elsewhere:80",
  ];
  return [
    ...fromHousehold.map((destination) => ({ realm: "household", destination })),
    ...["bob-home", "world", "stranger"].flatMap((realm) => fromOthers.map((destination) => ({ realm, destination }))),
  ];
}
