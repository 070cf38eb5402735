/** The approver controller, keyed by realm: lets a member's subjects approve for it, and nobody else. */
import type { Next } from "../../lib/controller/mod.ts";
import { type KubernetesObject, type Resource, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { clusterRoleBindings, clusterRoles } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { approverName, operatorName } from "../core/names.ts";
import { planApprover } from "../core/superentity/approver.ts";
import type { Context } from "./context.ts";
import { poolingOf, realmNamed } from "./pools.ts";

export async function reconcileApprover(context: Context, name: string, signal: AbortSignal): Promise<Next> {
  const { stores } = context;
  const { entityNamed } = poolingOf(context);
  const role = stores.clusterRoles.get(approverName(name));
  const binding = stores.clusterBindings.get(approverName(name));
  const entities = stores.superEntities.index("member", name).map((entity) => entity.name).filter(entityNamed);
  const writes = planApprover({ name, realm: realmNamed(context, name), entities, role, binding });
  for (const write of writes) {
    if ("role" in write) {
      stores.clusterRoles.observe(await writeOwn(context, clusterRoles, write.role, role?.uid, signal));
    } else {
      stores.clusterBindings.observe(await writeOwn(context, clusterRoleBindings, write.binding, binding?.uid, signal));
    }
  }
  return {};
}

/**
 * Created, not applied, when it isn't there: one of that name that isn't ours stays as it is. Fails when it has gone
 * with its Realm meanwhile; by the next try the watch has told.
 */
async function writeOwn<T extends KubernetesObject>(
  { rest }: Context,
  resource: Resource<T>,
  desired: T,
  uid: string | undefined,
  signal: AbortSignal,
): Promise<T> {
  const api = new ResourceApi(rest, resource);
  if (uid === undefined) return await api.create(desired, { fieldManager: operatorName, signal });
  const metadata = { ...desired.metadata, uid };
  return await api.apply({ ...desired, metadata }, { fieldManager: operatorName, force: true, signal });
}
