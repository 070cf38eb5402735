/** Contexts of `keystone use` in a kubeconfig. They contain no secret. */
import { z } from "zod";
import type { KubeconfigText } from "./kubeconfig_file.ts";
import { type Way, ways } from "./lender_routes.ts";

/** Name of the record in a context's extensions; kubectl keeps it. */
const extensionName = "keystone.io/use";

const recordSchema = z.object({
  lender: z.string(),
  realm: z.string(),
  /** Full name of the lender's first node, or the name as given if no daemon reported it. */
  node: z.string(),
  /** StableID of the node. */
  stableID: z.string().optional(),
  /** Tags or login of the lender's nodes. */
  owner: z.string().optional(),
  way: z.enum(ways),
  /** Context that was current before. */
  before: z.string().optional(),
});

/** Record of a use. */
export type UseRecord = z.output<typeof recordSchema>;

/** A context that this command made. */
export interface LenderContext extends UseRecord {
  context: string;
  /** Path of the kubeconfig. */
  file: string;
  namespace: string;
  server: string;
}

const contextSchema = z.object({
  cluster: z.string(),
  namespace: z.string().nullish(),
  extensions: z.array(z.object({ name: z.string(), extension: z.unknown() })).nullish(),
});

/** Name of the cluster and of the user that belong to a context. */
export const entryName = (context: string): string => `keystone-${context}`;

/** Returns a context that this command made; undefined if there is none of the name or another program made it. */
export function lenderContext(kubeconfig: KubeconfigText, file: string, context: string): LenderContext | undefined {
  const content = contextSchema.safeParse(kubeconfig.get("contexts", context)).data;
  const extension = content?.extensions?.find(({ name }) => name === extensionName)?.extension;
  const record = recordSchema.safeParse(extension).data;
  if (!content || !record) return undefined;
  const cluster = kubeconfig.get("clusters", content.cluster) as { server?: unknown } | undefined;
  return { ...record, context, file, namespace: content.namespace ?? "", server: String(cluster?.server ?? "") };
}

/** Entries of a context. */
export interface ContextEntries {
  cluster: {
    server: string;
    "proxy-url"?: string;
    "tls-server-name"?: string;
    "certificate-authority-data"?: string;
  };
  /** Absent: the tailnet knows who connects. */
  user?: { exec: Record<string, unknown> } | { username: string };
  namespace: string;
  record: UseRecord;
}

/** Writes the entries of a context. */
export function writeContext(kubeconfig: KubeconfigText, context: string, entries: ContextEntries): void {
  const { cluster, user, namespace, record } = entries;
  const name = entryName(context);
  kubeconfig.set("clusters", name, cluster);
  if (user) kubeconfig.set("users", name, user);
  else kubeconfig.remove("users", name);
  kubeconfig.set("contexts", context, {
    cluster: name,
    ...(user ? { user: name } : {}),
    namespace,
    extensions: [{ name: extensionName, extension: record }],
  });
}

/** Removes a context with its entries. If it is the current one, the one before becomes current again. */
export function removeContext(kubeconfig: KubeconfigText, { context, before }: LenderContext): void {
  kubeconfig.remove("contexts", context);
  kubeconfig.remove("clusters", entryName(context));
  kubeconfig.remove("users", entryName(context));
  if (kubeconfig.currentContext !== context) return;
  kubeconfig.currentContext = before !== undefined && kubeconfig.names("contexts").includes(before)
    ? before
    : undefined;
}

/** Returns all contexts that this command made in a file. */
export const lenderContextsIn = (kubeconfig: KubeconfigText, file: string): LenderContext[] =>
  kubeconfig.names("contexts").map((name) => lenderContext(kubeconfig, file, name)).filter((each) =>
    each !== undefined
  );

/** Returns the way in words. */
export const wayText: Readonly<Record<Way, string>> = {
  direct: "the machine's routes",
  proxy: "tailscaled's proxy",
  forwarder: "a forwarder",
};
