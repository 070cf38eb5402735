/** The realm that lends, if no flag names it: against answers of an API server that are written here. */
import assert from "node:assert/strict";
import { answeredCommand, type WrittenAnswers } from "../../tests/fixtures/answered_command.ts";
import { type OperatorContainer, realmOfContainer } from "./operator_workload.ts";

const group = "/apis/keystone.io/v1alpha1";
const apps = "/apis/apps/v1/namespaces/keystone-system";
const list = (...items: unknown[]) => ({ metadata: { resourceVersion: "9" }, items });
const realm = (name: string, status = {}) => ({
  metadata: { name, uid: name, resourceVersion: "1" },
  spec: { identity: `${name}.tailnet-name.ts.net`, connectionType: "tailscale", trustLevel: "partner" },
  status,
});
const missing = () => Response.json({ kind: "Status", reason: "NotFound", code: 404 }, { status: 404 });
const workload = (container: Partial<OperatorContainer>) => ({
  metadata: { name: "keystone-operator" },
  spec: { template: { spec: { containers: [{ name: "tailscaled" }, { name: "operator", ...container }] } } },
});
const named = (name: string) => workload({ env: [{ name: "KEYSTONE_REALM", value: name }] });
const answers: WrittenAnswers = {
  [`${group}/grants`]: async (request: Request) =>
    request.method === "GET" ? Response.json(list()) : Response.json(await request.json(), { status: 201 }),
  [`${group}/realms`]: list(realm("bob-home")),
  [`${group}/superentities`]: list(),
  [`${apps}/deployments/keystone-operator`]: missing,
  [`${apps}/statefulsets/keystone-operator`]: missing,
};
const create = ["grant", "create", "x", "--to", "bob-home", "--cpu", "1", "--memory", "1Gi", "-o", "json"];

/** Creates a grant; returns the grantor and what was said. */
async function grantorBy(more: WrittenAnswers, args: string[] = [], env: Record<string, string> = {}) {
  const said = await answeredCommand([...create, ...args], { ...answers, ...more }, { env });
  return { ...said, grantor: said.code === 0 ? said.json().spec.grantorRealm : undefined };
}

Deno.test("no flag, no variable, no status: the realm of the operator's workload, and the note says so", async () => {
  for (const kind of ["Deployment", "StatefulSet"]) {
    const path = `${apps}/${kind.toLowerCase()}s/keystone-operator`;
    const { grantor, err } = await grantorBy({ [path]: named("alice-home") });
    assert.equal(grantor, "alice-home");
    const note = `Note: this cluster's realm is alice-home: ${kind} keystone-system/keystone-operator names it.`;
    assert.equal(err, note);
  }
});

Deno.test("the flag, the variable and a Realm's status: come before the workload, without a note", async () => {
  const path = `${apps}/deployments/keystone-operator`;
  const other = { [path]: named("alice-home") };
  const flag = await grantorBy(other, ["--from", "alice-home"], { KEYSTONE_REALM: "carol-home" });
  assert.deepEqual([flag.grantor, flag.err], ["alice-home", ""]);
  const local = list(realm("bob-home"), realm("dora-home", { local: true }));
  const status = await grantorBy({ ...other, [`${group}/realms`]: local });
  assert.deepEqual([status.grantor, status.err], ["dora-home", ""]);
});

Deno.test("the variable names another realm than the cluster's: the grant is from it, with a warning", async () => {
  const path = `${apps}/deployments/keystone-operator`;
  const { grantor, err } = await grantorBy({ [path]: named("alice-home") }, [], { KEYSTONE_REALM: "carol-home" });
  assert.equal(grantor, "carol-home");
  assert.match(err, /^Warning: spec\.grantorRealm is carol-home, but this cluster is alice-home/);
});

Deno.test("the workload can't be read, is missing or names no realm: --from is asked for", async () => {
  const path = `${apps}/deployments/keystone-operator`;
  const forbidden = () => Response.json({ kind: "Status", reason: "Forbidden", code: 403 }, { status: 403 });
  for (const answer of [forbidden, missing, workload({}), { metadata: {} }]) {
    const { code, err } = await grantorBy({ [path]: answer });
    assert.equal(code, 2, err);
    assert.match(err, /--from is not set, and this cluster's realm is not known\. Use --from REALM/);
  }
});

Deno.test("all grants are from one realm: it is taken, and the note says why", async () => {
  const grant = {
    metadata: { name: "old", uid: "g", resourceVersion: "1" },
    spec: { grantorRealm: "erin-home", granteeRealm: "bob-home", hard: { cpu: "1" } },
  };
  const grants = async (request: Request) =>
    request.method === "GET" ? Response.json(list(grant)) : Response.json(await request.json(), { status: 201 });
  const { grantor, err } = await grantorBy({ [`${group}/grants`]: grants });
  assert.deepEqual([grantor, err], ["erin-home", "Note: this cluster's realm is erin-home: all grants are from it."]);
});

Deno.test("a container's realm: flags before the environment, the last one counts, references say nothing", () => {
  const cases: [string | undefined, Partial<OperatorContainer>][] = [
    ["a", { args: ["--realm", "a"] }],
    ["a", { command: ["deno", "run", "main.ts", "--realm=a"] }],
    ["b", { args: ["--realm=a", "--realm=b"] }],
    ["a", { args: ["--realm=a"], env: [{ name: "KEYSTONE_REALM", value: "b" }] }],
    ["c", { env: [{ name: "KEYSTONE_REALM", value: "b" }, { name: "KEYSTONE_REALM", value: "c" }] }],
    [undefined, { env: [{ name: "KEYSTONE_REALM", valueFrom: { configMapKeyRef: { name: "x", key: "y" } } }] }],
    [undefined, { env: [{ name: "KEYSTONE_REALM", value: "$(OTHER)" }] }],
    [undefined, { env: [{ name: "KEYSTONE_REALM", value: "" }] }],
    [undefined, { args: ["--realm"] }],
    [undefined, {}],
  ];
  for (const [expected, container] of cases) {
    assert.equal(realmOfContainer({ name: "operator", ...container }), expected, JSON.stringify(container));
  }
});

Deno.test("a created grant: how to give access, with the node where a tailnet server runs; after a warning, its state", async () => {
  const path = `${apps}/statefulsets/keystone-operator`;
  const containers = [
    { name: "operator", env: [{ name: "KEYSTONE_REALM", value: "alice-home" }] },
    { name: "front", env: [{ name: "KEYSTONE_TAILNET_LISTEN", value: "127.0.0.1:8443" }] },
    { name: "tailscaled", env: [{ name: "TS_HOSTNAME", value: "alice-ha" }] },
  ];
  const served = { [path]: { metadata: {}, spec: { template: { spec: { containers } } } } };
  const created = async (to: string, more: WrittenAnswers) => {
    const words = ["grant", "create", "x", "--to", to, "--cpu", "1", "--memory", "1Gi"];
    const { code, out, err } = await answeredCommand(words, { ...answers, ...more });
    assert.equal(code, 0, err);
    return out.split("\n").slice(2);
  };
  const kubeconfig = "keystone realm kubeconfig bob-home";
  assert.deepEqual(await created("bob-home", served), [
    "See it: keystone grant list x",
    "Give bob-home access over the tailnet, on its node: keystone use alice-ha",
    `On other machines, with a kubeconfig from you: ${kubeconfig}`,
  ]);
  assert.deepEqual(await created("bob-home", { [path]: named("alice-home") }), [
    "See it: keystone grant list x",
    `Give bob-home access: ${kubeconfig}`,
  ]);
  assert.deepEqual(await created("nobody", served), ["It was warned of. See its state: keystone explain grant x"]);
});
