/** Frees space in a lab's etcd, as an administrator does with etcdctl. */
import assert from "node:assert/strict";
import type { Lab } from "../lab/lab.ts";

/** Compacts the history, defragments, and disarms the alarm NOSPACE if it is raised. */
export async function makeRoom(lab: Lab): Promise<void> {
  const etcd = async (path: string, body: unknown): Promise<{ header?: Record<"revision" | "member_id", string> }> => {
    const response = await fetch(`http://127.0.0.1:${lab.ports.etcd}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    assert.ok(response.ok, `${path}: ${response.status}`);
    return await response.json();
  };
  const { header } = await etcd("kv/range", { key: btoa("x") });
  await etcd("kv/compaction", { revision: header!.revision, physical: true });
  await etcd("maintenance/defragment", {});
  await etcd("maintenance/alarm", { action: "DEACTIVATE", memberID: header!.member_id, alarm: "NOSPACE" });
}
