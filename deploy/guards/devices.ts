/** Variables by which container runtimes hand out devices. */

const vendors = ["NVIDIA", "AMD", "HABANA", "ASCEND", "MTHREADS", "IX"];

/** Those of the NVIDIA container toolkit beside that one: channels, network cards, storage and switches. */
const ofNvidia = [
  "IMEX_CHANNELS",
  "MIG_CONFIG_DEVICES",
  "MIG_MONITOR_DEVICES",
  "MOFED",
  "GDS",
  "GDRCOPY",
  "NVSWITCH",
];

/** Each gives a container devices that nobody counts, whatever its limits are. */
export const deviceVariables: readonly string[] = [
  ...vendors.map((vendor) => `${vendor}_VISIBLE_DEVICES`),
  ...ofNvidia.map((name) => `NVIDIA_${name}`),
];
