/** Controllers that the kubelet demands of its root group in version 2, as far as the kernel has them. */
const CONTROLLERS = ["cpu", "cpuset", "memory", "hugetlb", "pids"];

/** Enables the kubelet's controllers below groups of version 2, the highest first. systemd enables only some of them. */
export function enableControllers(groups: readonly string[]): void {
  for (const group of groups) {
    const available = Deno.readTextFileSync(`${group}/cgroup.controllers`).trim().split(" ");
    for (const controller of CONTROLLERS.filter((each) => available.includes(each))) {
      try {
        Deno.writeTextFileSync(`${group}/cgroup.subtree_control`, `+${controller}`);
      } catch {
        // A container's root group has processes, so this fails; the kubelet then names the missing controllers.
      }
    }
  }
}
