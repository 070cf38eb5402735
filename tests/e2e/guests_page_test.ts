/**
 * The page for guests on a node: its web server runs and answers, with another program in the image, and the usual nginx
 * is explained to its end.
 */
import assert from "node:assert/strict";
import { keystone } from "../fixtures/keystone_command.ts";
import { installed } from "../fixtures/in_force.ts";
import { eventually, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { build } from "../lab/build.ts";
import { startLab } from "../lab/lab.ts";
import { writeImage } from "../lab/lab_image.ts";
import { nodeTest } from "../lab/needs_node.ts";
import { codeBlocks } from "../support/code_blocks.ts";

/** The page's image and the usual one. No registry can be reached here, so both have agnhost, which listens on 8080. */
const images = ["docker.io/nginxinc/nginx-unprivileged:1.29", "docker.io/library/nginx:1.29"];

nodeTest("the page for guests, on a node", async (t) => {
  await using lab = await startLab({ node: true });
  using cluster = await prepared(lab);
  await installed(lab, "base");
  await using _operator = await startOperator(lab, {
    kubeconfig: await lab.user("system:serviceaccount:keystone-system:keystone-operator"),
    realm: "alice-home",
  });
  const { agnhost } = await build(["node"]);
  const archive = `${lab.dir}/page.tar`;
  writeImage(archive, { names: images, program: agnhost!, args: ["netexec"] });
  await lab.importImages(archive);
  await lab.kubectl(["apply", "-f", `${root}deploy/examples`]);
  await cluster.grantIn("Active", "alice-to-bob-compute");
  const kubeconfig = `${lab.dir}/bob.kubeconfig`;
  const access = await keystone(lab.kubeconfig, ["realm", "kubeconfig", "bob-home", "--out", kubeconfig]);
  assert.equal(access.code, 0, access.err);
  const bob = async (args: string[], stdin?: string): Promise<string> => {
    const { code, stdout, stderr } = await lab.kubectl(args, { kubeconfig, ...(stdin === undefined ? {} : { stdin }) });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const explained = async (name: string) =>
    (await keystone(kubeconfig, ["explain", "deployment", name, "-o", "json"])).json();

  await step(t, "its web server: all pods are ready", async () => {
    const page = await Deno.readTextFile(`${root}docs/guests.md`);
    const [web] = codeBlocks("docs/guests.md", page).filter(({ language }) => language === "yaml");
    await bob(["apply", "-f", "-"], web!.text);
    await bob(["wait", "deployment/web", "--for=condition=Available", "--timeout=60s"]);
    const { ok, message } = await explained("web");
    assert.ok(ok, message);
  });

  await step(
    t,
    "the usual nginx with the fields that explain prints: explained until the image is changed",
    async () => {
      await bob(["create", "deployment", "plain", "--image=nginx:1.29"]);
      const { yaml } = await eventually("explain has the fields", async () => {
        const explanation = await explained("plain");
        return explanation.yaml ? explanation : explanation.message as string;
      });
      await bob(["patch", "deployment", "plain", "--patch", yaml]);
      await eventually("explain names the image's user", async () => {
        const { message } = await explained("plain");
        return /image will run as root.*Set runAsUser to another user than 0, or choose an image/.test(message) ||
          message;
      }, 60_000);
      await bob(["set", "image", "deployment/plain", `nginx=${images[0]}`]);
      await bob([
        "patch",
        "deployment",
        "plain",
        "-p",
        "spec: {template: {spec: {securityContext: {runAsUser: 101}}}}",
      ]);
      await bob(["wait", "deployment/plain", "--for=condition=Available", "--timeout=60s"]);
    },
  );
});
