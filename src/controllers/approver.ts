/** The approver controller, keyed by realm: lets a member's subjects approve for it, and nobody else. */
import type { Next } from "../../lib/controller/mod.ts";
import { isApiError, type KubernetesObject, type Resource, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { clusterRoleBindings, clusterRoles } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { approverName, guestNamespace, guestRole, operatorName } from "../core/names.ts";
import { planApprover } from "../core/superentity/approver.ts";
import type { Context } from "./context.ts";
import { poolingOf, realmNamed } from "./pools.ts";
import { keyIn } from "./stores.ts";

export async function reconcileApprover(context: Context, name: string, signal: AbortSignal): Promise<Next> {
  const { stores } = context;
  const { entityNamed } = poolingOf(context);
  const role = stores.clusterRoles.get(approverName(name));
  const binding = stores.clusterBindings.get(approverName(name));
  const entities = stores.superEntities.index("member", name).map((entity) => entity.name).filter(entityNamed);
  const accounts = stores.identities.index("realm", name);
  const guests = stores.bindings.get(keyIn(guestNamespace(name), guestRole));
  const realm = realmNamed(context, name);
  const writes = planApprover({ name, realm, entities, role, binding, accounts, guests });
  for (const write of writes) {
    if ("role" in write) {
      const written = await writeOwn(context, clusterRoles, write.role, role?.uid, signal);
      if (written) stores.clusterRoles.observe(written);
    } else {
      const written = await writeOwn(context, clusterRoleBindings, write.binding, binding?.uid, signal);
      if (written) stores.clusterBindings.observe(written);
    }
  }
  return {};
}

/**
 * Created, not applied, when it isn't there: one of that name that isn't ours stays as it is. Undefined: it has gone
 * with its Realm meanwhile, which the watch is about to tell.
 */
async function writeOwn<T extends KubernetesObject>(
  { rest }: Context,
  resource: Resource<T>,
  desired: T,
  uid: string | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  const api = new ResourceApi(rest, resource);
  if (uid === undefined) return await api.create(desired, { fieldManager: operatorName, signal });
  const metadata = { ...desired.metadata, uid };
  try {
    return await api.apply({ ...desired, metadata }, { fieldManager: operatorName, force: true, signal });
  } catch (error) {
    // Of one that is there the API server says another 409.
    if (isApiError(error, 409) && /no existing object was found/.test(error.message)) return undefined;
    throw error;
  }
}
