/**
 * The bare loop, a separate process like the operator: it performs the necessary writes, given in a file, one per line.
 * It doesn't watch, decide or remember anything, and so shows the maximum write rate in this language.
 */
import { CoordinationV1Api } from "../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { createRestClient, Kubeconfig, type KubernetesObject, ResourceApi } from "../lib/kubernetes/mod.ts";
import { operatorName } from "../src/core/names.ts";
import { inFlight, withConcurrency } from "./with_concurrency.ts";
import { necessary } from "./necessary.ts";

const [kubeconfig, file] = Deno.args as [string, string];
const lines = (await Deno.readTextFile(file)).split("\n");
const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
using rest = createRestClient(config, { userAgent: "bare-loop/1", maxInFlight: inFlight });
const apis = necessary.map(({ resource }) => new ResourceApi(rest, resource));
const options = { fieldManager: operatorName, force: true };

/** Performs the write of a line: `<index of the necessary kind> <body>`. */
async function write(line: string): Promise<void> {
  const at = line.indexOf(" ");
  const kind = Number(line.slice(0, at));
  const body = JSON.parse(line.slice(at + 1)) as KubernetesObject;
  const { call } = necessary[kind]!;
  const api = apis[kind]!;
  if (call === "create") await api.create(body, options);
  else if (call === "status") await api.applyStatus(body, options);
  else await api.apply(body, options);
}

// The operator's time begins with its Lease, too.
await new CoordinationV1Api(rest).leases.create({ metadata: { name: "bare-loop", namespace: "default" } });
const isNamespace = (line: string) => necessary[Number(line.slice(0, line.indexOf(" ")))]!.call === "create";
await withConcurrency(lines.filter(isNamespace), write);
await withConcurrency(lines.filter((line) => !isNamespace(line)), write);
