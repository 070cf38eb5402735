import assert from "node:assert/strict";
import fc from "fast-check";
import { isQuantity } from "../../../lib/quantity/mod.ts";
import { amountsFrom, isGpu } from "./amount_flags.ts";
import { readBytes, readCores } from "./written_amount.ts";

const said = (amount: { problem: string } | { quantity: string }) =>
  "problem" in amount ? amount.problem : amount.quantity;

Deno.test("cores: quantities are taken as they are; slips get the right form", () => {
  for (const right of ["2", "0.5", "500m", "1e3"]) assert.equal(said(readCores(right)), right);
  for (
    const [slip, remedy] of [
      ["2 cores", /^Use 2\.$/],
      ["2cpu", /^Use 2\.$/],
      ["0,5", /^Use 0\.5\.$/],
      ["500 m", /^Use 500m\.$/],
      ["500M", /^Use 500m\.$/],
      ["500 millicores", /^Use 500m\.$/],
      ["4Gi", /amount of memory.*such as 2, 0\.5 or 500m/],
      ["0", /such as 2/],
      ["-1", /such as 2/],
      ["100u", /such as 2/],
      ["two", /such as 2/],
    ] as const
  ) {
    assert.match(said(readCores(slip)), remedy, slip);
  }
});

Deno.test("memory: quantities are taken as they are; slips get the right form", () => {
  for (const right of ["4Gi", "512Mi", "0.5Gi", "1Ti", "4G"]) assert.equal(said(readBytes(right)), right);
  for (
    const [slip, remedy] of [
      ["4GB", /^Use 4Gi\.$/],
      ["4 GB", /^Use 4Gi\.$/],
      ["4gb", /^Use 4Gi\.$/],
      ["4GiB", /^Use 4Gi\.$/],
      ["4 Gi", /^Use 4Gi\.$/],
      ["4g", /^Use 4Gi\.$/],
      ["4gi", /^Use 4Gi\.$/],
      ["4 gigs", /^Use 4Gi\.$/],
      ["4 gigabytes", /^Use 4Gi\.$/],
      ["1,5 GB", /^Use 1\.5Gi\.$/],
      ["4096MB", /^Use 4096Mi\.$/],
      ["4m", /^Use 4Mi\.$/],
      ["4", /4 bytes\. Use 4Mi or 4Gi/],
      ["0", /such as 512Mi/],
      ["2E", /such as 512Mi/],
      ["much", /such as 512Mi/],
    ] as const
  ) {
    assert.match(said(readBytes(slip)), remedy, slip);
  }
});

Deno.test("memory in powers of ten: is granted, with a note of what it is", () => {
  const amount = readBytes("4G");
  assert.ok("note" in amount);
  assert.match(amount.note!, /^4G is 3\.72Gi, less than 4Gi\. Write 4Gi/);
  assert.equal("note" in readBytes("4Gi"), false);
});

Deno.test("any text: is a quantity, or gets a sentence; a remedy that names one form is itself accepted", () => {
  const number = fc.oneof(
    fc.nat(5000).map(String),
    fc.float({ min: 0, max: 100, noNaN: true }).map((each) => each.toFixed(1)),
  );
  const unit = fc.constantFrom(
    "",
    " ",
    "m",
    "M",
    "Mi",
    "MB",
    "g",
    "G",
    "Gi",
    "GB",
    " GiB",
    "cores",
    " cpu",
    "k",
    "T",
    "x",
    "E",
    "e9",
  );
  const text = fc.oneof(fc.string(), fc.tuple(number, unit).map(([number, unit]) => number + unit));
  for (const read of [readCores, readBytes]) {
    fc.assert(fc.property(text, (text) => {
      const amount = read(text);
      if ("quantity" in amount) return assert.ok(isQuantity(amount.quantity));
      assert.match(amount.problem, /\.$/);
      const meant = /^Use (\S+)\.$/.exec(amount.problem)?.[1];
      if (meant !== undefined) assert.ok("quantity" in read(meant), `${text}: ${meant}`);
    }));
  }
});

const gpus = (offered: Record<string, number> | undefined) => () =>
  Promise.resolve(offered && new Map(Object.entries(offered)));

Deno.test("flags for single resources: their keys, beside --hard", async () => {
  const { hard, notes } = await amountsFrom(
    { cpu: "2", memory: "4Gi", storage: "100Gi", pods: "20", hard: ["limits.cpu=4", "services.loadbalancers=1"] },
    gpus(undefined),
  );
  assert.deepEqual(hard, {
    "limits.cpu": "4",
    "services.loadbalancers": "1",
    cpu: "2",
    memory: "4Gi",
    "requests.storage": "100Gi",
    pods: "20",
  });
  assert.deepEqual(notes, []);
});

Deno.test("one resource in two flags: refused with both names", async () => {
  for (
    const [options, message] of [
      [{ cpu: "2", hard: ["cpu=2"] }, /--cpu and --hard cpu are both set/],
      [{ cpu: "2", hard: ["requests.cpu=3"] }, /--cpu and --hard requests\.cpu are both set/],
      [{ storage: "1Gi", hard: ["requests.storage=1Gi"] }, /--storage and --hard requests\.storage are both set/],
      [{ gpu: "1", hard: ["requests.nvidia.com/gpu=1"] }, /--gpu and --hard requests\.nvidia\.com\/gpu are both set/],
      [{ hard: ["cpu=1", "cpu=2"] }, /--hard has cpu twice/],
      [{ hard: ["memory=4GB"] }, /--hard memory is 4GB\. Use 4Gi/],
      [{ hard: ["requests.cpu=2 cores"] }, /--hard requests\.cpu is 2 cores\. Use 2/],
      [{ hard: ["cpu"] }, /KEY=QUANTITY/],
      [{ pods: "1.5" }, /--pods is 1\.5\. It must be a whole number/],
      [{ memory: "4GB" }, /--memory is 4GB\. Use 4Gi/],
    ] as const
  ) {
    await assert.rejects(amountsFrom(options as never, gpus({})), message);
  }
});

Deno.test("GPUs: of the kind that the nodes offer, else nvidia.com/gpu; the note says which and why", async () => {
  const of = async (gpu: string, offered: Record<string, number> | undefined) => {
    const { hard, notes } = await amountsFrom({ gpu }, gpus(offered));
    return [Object.entries(hard).join(), ...notes];
  };
  assert.deepEqual(await of("1", { "amd.com/gpu": 2 }), [
    "requests.amd.com/gpu,1",
    "The GPUs are amd.com/gpu: the nodes offer 2.",
  ]);
  assert.deepEqual(await of("1", {}), [
    "requests.nvidia.com/gpu,1",
    "The GPUs are nvidia.com/gpu: no node offers GPUs now.",
  ]);
  assert.match((await of("1", undefined))[1]!, /the nodes were not read/);
  assert.deepEqual(await of("AMD=2", { "nvidia.com/gpu": 8 }), ["requests.amd.com/gpu,2"]);
  assert.deepEqual(await of("nvidia.com/mig-1g.5gb=3", undefined), ["requests.nvidia.com/mig-1g.5gb,3"]);
  await assert.rejects(
    of("1", { "amd.com/gpu": 1, "nvidia.com/gpu": 1 }),
    /offer amd\.com\/gpu and nvidia\.com\/gpu\. Name one: amd\.com\/gpu=1/,
  );
  for (const wrong of ["0", "0.5", "half", "1 gpu", "=1"]) await assert.rejects(of(wrong, {}), /whole number of GPUs/);
  await assert.rejects(of("voodoo=1", {}), /voodoo is not a known vendor/);
});

Deno.test("resources of nodes: GPUs and their parts are recognized, other devices are not", () => {
  for (
    const gpu of [
      "nvidia.com/gpu",
      "nvidia.com/mig-1g.5gb",
      "amd.com/gpu",
      "gpu.intel.com/i915",
      "example.org/gpu.shared",
    ]
  ) {
    assert.ok(isGpu(gpu), gpu);
  }
  for (const other of ["cpu", "hugepages-2Mi", "smarter-devices/fuse", "rdma/hca"]) assert.ok(!isGpu(other), other);
});
