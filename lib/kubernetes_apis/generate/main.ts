/** Generates lib/kubernetes_apis: see README.md beside the generated files. */
import { parseArgs } from "node:util";
import { createRestClient, Kubeconfig } from "../../kubernetes/mod.ts";
import { writeGenerated } from "./generate.ts";
import { kubernetesGroups } from "./groups.ts";
import { refresh } from "./refresh.ts";

const { values } = parseArgs({
  options: { check: { type: "boolean" }, refresh: { type: "boolean" }, kubeconfig: { type: "string" } },
});
const check = values.check ?? false;
if (values.refresh) {
  const config = await (await Kubeconfig.load(values.kubeconfig ? { paths: [values.kubeconfig] } : {})).clientConfig();
  using rest = createRestClient(config, { userAgent: "kubernetes-apis-gen" });
  await refresh(rest, kubernetesGroups);
}
const differing = await writeGenerated(kubernetesGroups, { check });
for (const path of differing) console.log(check ? `${path} is out of date: run \`deno task gen\`.` : `wrote ${path}`);
if (check && differing.length > 0) Deno.exitCode = 1;
