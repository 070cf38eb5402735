/** Environment variables by which container runtimes hand out devices. */

const vendors = ["NVIDIA", "AMD", "HABANA", "ASCEND", "MTHREADS", "IX"];

/** Other variables of the NVIDIA container toolkit: channels, network cards, storage and switches. */
const ofNvidia = [
  "IMEX_CHANNELS",
  "MIG_CONFIG_DEVICES",
  "MIG_MONITOR_DEVICES",
  "MOFED",
  "GDS",
  "GDRCOPY",
  "NVSWITCH",
];

/** Names of all these variables; each gives a container devices that no quota counts, whatever its limits. */
export const deviceVariables: readonly string[] = [
  ...vendors.map((vendor) => `${vendor}_VISIBLE_DEVICES`),
  ...ofNvidia.map((name) => `NVIDIA_${name}`),
];
