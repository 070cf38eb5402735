/**
 * Everything that the pages show, on a real API server with the operator and its webhook: the example objects, each YAML
 * block, the flags of kubectl and helm, and the page for guests as a guest.
 */
import assert from "node:assert/strict";
import { load, loadAll } from "js-yaml";
import { Kubeconfig } from "../../lib/kubernetes/mod.ts";
import { parseSettings } from "../../src/api/mod.ts";
import { restrictedYaml } from "../../src/core/admission/restricted_fields.ts";
import { HandoverWriter } from "../../src/front/handover.ts";
import { installed } from "../fixtures/in_force.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { startFrontProcess } from "../fixtures/operator_process.ts";
import { addRoomyNode } from "../fixtures/roomy_node.ts";
import { tailnetOf } from "../fixtures/stand_ins.ts";
import { eventually, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { build } from "../lab/build.ts";
import { runCommand } from "../lab/command.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";
import { commandsOfPicture } from "../../tools/record/terminal_svg.ts";
import { codeBlocks, commandsIn, shellCommands } from "../support/code_blocks.ts";
import { pagesOf } from "../support/documentation_pages.ts";

const blocks = pagesOf().flatMap(({ path, text }) => codeBlocks(path, text));
const commands = blocks.flatMap((block) => commandsIn(block).map((command) => ({ ...command, block })));
const guests = "docs/guests.md";
/** Commands of the recorded pictures. */
const typed = [...Deno.readDirSync(`${root}docs/images`)].flatMap(({ name }) =>
  commandsOfPicture(Deno.readTextFileSync(`${root}docs/images/${name}`)).flatMap(shellCommands).map((command) => ({
    ...command,
    block: { page: `docs/images/${name}`, line: 1 },
  }))
);

/** Returns the text of a file that a console block of the page prints by `cat`. */
function printedFile(page: string, name: string): string {
  const block = blocks.find((each) => each.page === page && each.text.includes(`$ cat ${name}\n`));
  assert.ok(block, `${page} prints ${name}`);
  return block.text.split(`$ cat ${name}\n`)[1]!.split(/^\$ /m)[0]!;
}

Deno.test("everything that the pages show", {
  // The API server has to reach this process on loopback.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  const { helm, kubectl } = await build(["helm", "kubernetes"]);
  await using lab = await startLab({ fastControllers: true });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  await addRoomyNode(lab);
  const kubeconfig = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
  const place = { url: `https://127.0.0.1:${freePorts(1)[0]}` };
  const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
  const folder = await Deno.makeTempDir();
  await using operator = await startOperator(lab, {
    kubeconfig,
    realm: "alice-home",
    webhook: { place, handover: new HandoverWriter(folder, config) },
    tailnet: tailnetOf(
      { name: "alice-home", stableID: "n-alice", addresses: ["100.64.0.1"], online: true },
      { name: "bob-home", stableID: "n-bob", addresses: ["100.64.0.2"], online: true },
    ),
  });
  await using front = await startFrontProcess({
    KEYSTONE_HANDOVER: folder,
    KEYSTONE_WEBHOOK: place.url,
    KEYSTONE_REALM: "alice-home",
  });
  await front.url();
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  const admin = async (args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await lab.kubectl(args, stdin === undefined ? {} : { stdin });
    return { code, said: stdout + stderr };
  };
  await eventually("the webhook warns", async () => {
    const grant = await Deno.readTextFile(`${root}deploy/examples/3-grant.yaml`);
    const { said } = await admin(["apply", "--dry-run=server", "-f", "-"], grant);
    return said.includes("there is no such Realm") || said;
  });

  await step(t, "kubectl apply -f deploy/examples: no warning, and the state that the files describe", async () => {
    const { code, said } = await admin(["apply", "-f", `${root}deploy/examples`]);
    assert.equal(code, 0, said);
    assert.deepEqual(said.trim().split("\n"), [
      "realm.keystone.io/bob-home created",
      "realm.keystone.io/alice-home created",
      "realm.keystone.io/carol-home created",
      "superentity.keystone.io/three-homes created",
      "grant.keystone.io/alice-to-bob-compute created",
    ]);
    await cluster.grantIn("Active", "alice-to-bob-compute");
    const states = await eventually("all have a state", async () => {
      const realms = (await cluster.realms.list()).items.map(({ metadata, status }) =>
        `${metadata.name} ${status?.connectionState} ${
          status?.conditions?.find(({ type }) => type === "Ready")?.reason
        }`
      );
      const entity = await cluster.superEntities.get("three-homes");
      return realms.every((text) => !text.includes("undefined")) && entity.status?.phase
        ? [...realms, `${entity.status.phase} ${entity.status.message}`]
        : realms.join();
    });
    assert.match(states[0]!, /alice-home Connected/);
    assert.match(states[1]!, /bob-home Connected/);
    assert.match(states[2]!, /carol-home Error NodeNotFound/);
    assert.match(states[3]!, /Pending 0 of 3 needed approvals: waiting for alice-home, bob-home, carol-home/);
  });

  await step(t, "each whole manifest of the pages: admitted without a warning", async () => {
    const written = [
      ...blocks.filter(({ language, page }) => language === "yaml" && page !== guests).map((block) => ({
        at: `${block.page}:${block.line}`,
        text: block.text,
      })),
      ...commands.filter(({ words, input }) => words[0] === "kubectl" && input !== undefined).map((command) => ({
        at: `${command.block.page}:${command.block.line}`,
        text: command.input!,
      })),
    ].filter(({ text }) => /^apiVersion:/m.test(text));
    assert.ok(written.length >= 4, `${written.length} manifests`);
    const digest = (await cluster.superEntities.get("three-homes")).status!.digest!;
    for (const { at, text } of written) {
      const isApproval = /^ +approvals:/m.test(text);
      const { code, said } = await admin(
        ["apply", "--dry-run=server", ...(isApproval ? ["--server-side", "--field-manager=bob"] : []), "-f", "-"],
        text.replace(/\$\(kubectl get se .*?\)(?=")/, digest),
      );
      assert.equal(code, 0, `${at}: ${said}`);
      // An admin who approves for a realm gets a warning; Bob does not.
      if (!isApproval) assert.doesNotMatch(said, /warning/i, at);
    }
  });

  await step(t, "each part of a manifest in the pages: admitted in its place", async () => {
    const parts = blocks.filter(({ language, text, page }) =>
      language === "yaml" && !/^apiVersion:/m.test(text) && page !== guests
    );
    assert.ok(parts.length >= 6, `${parts.length} parts`);
    for (const { page, line, text } of parts) {
      const at = `${page}:${line}`;
      const part = load(text) as Record<string, unknown>;
      const keys = Object.keys(part);
      if (page === "docs/configuration.md" || keys.includes("guards")) {
        assert.doesNotThrow(() => parseSettings(part), at);
        continue;
      }
      if (keys.includes("components")) {
        // Of a Kustomization beside the overlays.
        const overlay = `${root}deploy/kustomize/overlays/tailscale/`;
        for (const path of part.components as string[]) {
          assert.ok((await Deno.stat(`${overlay}${path}`)).isDirectory, at);
        }
        continue;
      }
      const grant = (await cluster.grants.get("alice-to-bob-compute")).spec;
      const networkPolicy = part.networkPolicy ?? { egressAllowed: true, ...part };
      const { code, said } = await admin(
        ["create", "--dry-run=server", "--validate=strict", "-f", "-"],
        JSON.stringify({
          apiVersion: "keystone.io/v1alpha1",
          kind: "Grant",
          metadata: { name: "part" },
          spec: { ...grant, networkPolicy },
        }),
      );
      assert.equal(code, 0, `${at}: ${said}`);
      assert.doesNotMatch(said, /warning/i, at);
    }
  });

  await step(t, "kubectl and helm in the pages: each verb and flag exists", async () => {
    const wrong: string[] = [];
    let checked = 0;
    const helps = new Map<string, string>();
    const help = async (program: string, verbs: readonly string[]): Promise<string> => {
      const key = [program, ...verbs].join(" ");
      if (!helps.has(key)) {
        const path = program === "helm" ? helm! : kubectl!;
        const { code, stdout, stderr } = await runCommand(
          path,
          verbs[0] === "options" ? ["options"] : [
            ...verbs,
            "--help",
          ],
        );
        helps.set(key, code === 0 ? stdout : `failed: ${stderr}`);
      }
      return helps.get(key)!;
    };
    for (const { words: [program, ...words], block } of [...commands, ...typed]) {
      if (program !== "kubectl" && program !== "helm") continue;
      checked++;
      // Global flags may come before the verb.
      const verbAt = words.findIndex((word, index) =>
        !word.startsWith("-") && !/^(-n|--kubeconfig)$/.test(words[index - 1] ?? "")
      );
      const verb = words[verbAt]!;
      const verbs = [verb];
      // Verbs with verbs of their own have other helps than these.
      for (const next of words.slice(verbAt + 1)) {
        const deeper = /^[a-z]+$/.test(next) ? await help(program, [...verbs, next]) : "failed";
        if (deeper.startsWith("failed") || deeper === await help(program, verbs)) break;
        verbs.push(next);
      }
      const text = await help(program, verbs) + (program === "kubectl" ? await help(program, ["options"]) : "");
      const own = words.slice(0, words.includes("--") ? words.indexOf("--") : undefined);
      const flags = own.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.split("=")[0]!);
      const unknown = flags.filter((flag) =>
        !new RegExp(`(^|[\\s,])${flag}([\\s,=]|$)`, "m").test(text) &&
        // -it is -i -t.
        !(/^-[a-z]{2,}$/.test(flag) && [...flag.slice(1)].every((letter) => text.includes(`-${letter}, --`)))
      );
      if (text.startsWith("failed")) wrong.push(`${block.page}:${block.line}: ${program} ${verbs.join(" ")}`);
      else if (unknown.length > 0) wrong.push(`${block.page}:${block.line}: ${program} ${words.join(" ")}: ${unknown}`);
    }
    assert.deepEqual(wrong, []);
    assert.ok(checked > 30, `${checked} commands`);
  });

  const bobs = `${folder}/bob.kubeconfig`;
  const access = await keystone(lab.kubeconfig, ["realm", "kubeconfig", "bob-home", "--out", bobs]);
  assert.equal(access.code, 0, access.err);
  const bob = async (args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await lab.kubectl(args, {
      kubeconfig: bobs,
      ...(stdin === undefined ? {} : { stdin }),
    });
    return { code, said: stdout + stderr };
  };
  const pods = (pattern: RegExp, count: number) =>
    eventually(`${count} pods ${pattern}`, async () => {
      const { said } = await bob(["get", "pods", "-o", "name"]);
      return said.match(pattern)?.length === count || said;
    }, 30_000);

  await step(t, "the page for guests: each manifest is admitted without a warning, and its pods come", async () => {
    const manifests = blocks.filter(({ page, language }) => page === guests && language === "yaml");
    assert.ok(manifests.length >= 2);
    for (const { text, line } of manifests) {
      const { code, said } = await bob(["apply", "-f", "-"], text);
      assert.equal(code, 0, `${line}: ${said}`);
      assert.doesNotMatch(said, /warning/i, `${line}`);
      for (const { kind, metadata } of loadAll(text) as { kind: string; metadata: { name: string } }[]) {
        if (kind === "Deployment") await pods(new RegExp(`^pod/${metadata.name}-`, "gm"), 2);
        if (kind === "Job") await pods(new RegExp(`^pod/${metadata.name}-`, "gm"), 1);
      }
    }
    await bob(["delete", "deployment,job,service", "--all", "--wait=false"]);
  });

  await step(t, "the usual nginx: warned of, explained, and right with the fields that explain prints", async () => {
    const created = await bob(["create", "deployment", "plain", "--image=nginx"]);
    assert.equal(created.code, 0, created.said);
    assert.match(
      created.said,
      /Warning: Deployment plain: Pod Security restricted refuses its pods\. Set spec\.template\.spec\.securityContext: \{runAsNonRoot: true, .*nginxinc\/nginx-unprivileged/,
    );
    const said = await eventually("explain knows the refusal", async () => {
      const { code, out } = await keystone(bobs, ["explain", "deployment", "plain", "-o", "json"]);
      const explanation = JSON.parse(out);
      return code === 1 && explanation.yaml ? explanation as { message: string; yaml: string } : out;
    }, 30_000);
    assert.match(said.message, /Pod Security refuses each pod: level restricted/);
    const text = await keystone(bobs, ["explain", "deployment", "plain"]);
    assert.ok(text.out.endsWith(`Fields to set:\n\n${said.yaml}`), text.out);
    const fits = await keystone(bobs, ["would-fit", "-f", "-", "-o", "json"], {
      stdin: (await bob(["create", "deployment", "next", "--image=nginx", "--dry-run=client", "-o", "json"])).said,
    });
    assert.match(fits.json().items[0].warnings.join("\n"), /Deployment next: Pod Security restricted refuses its pods/);
    const file = `${folder}/fields.yaml`;
    await Deno.writeTextFile(file, said.yaml);
    const patched = await bob(["patch", "deployment", "plain", `--patch-file=${file}`]);
    assert.equal(patched.code, 0, patched.said);
    assert.doesNotMatch(patched.said, /warning/i);
    await pods(/^pod\/plain-/gm, 1);
    await bob(["delete", "deployment", "plain"]);
  });

  await step(t, "the fields that explain prints: Pod Security admits odd pods with them", async () => {
    const image = "example.com/none:1";
    const odd: Record<string, unknown> = {
      bare: { containers: [{ name: "a", image }] },
      several: { initContainers: [{ name: "first", image }], containers: [{ name: "a", image }, { name: "b", image }] },
      partial: {
        securityContext: { runAsUser: 0, seccompProfile: { type: "Unconfined" } },
        containers: [{ name: "a", image, securityContext: { allowPrivilegeEscalation: false, runAsNonRoot: false } }],
      },
      contrary: {
        containers: [{
          name: "a",
          image,
          securityContext: {
            privileged: true,
            runAsUser: 0,
            capabilities: { add: ["NET_ADMIN", "NET_BIND_SERVICE"], drop: ["KILL"] },
            seccompProfile: { type: "Unconfined" },
          },
        }],
      },
      complete: {
        containers: [{
          name: "a",
          image,
          securityContext: {
            runAsNonRoot: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            seccompProfile: { type: "RuntimeDefault" },
          },
        }],
      },
    };
    for (const [name, spec] of Object.entries(odd)) {
      const pod = { apiVersion: "v1", kind: "Pod", metadata: { name }, spec };
      const yaml = restrictedYaml(pod);
      assert.equal(yaml === undefined, name === "complete");
      const patched = yaml === undefined ? JSON.stringify(pod) : (await lab.kubectl(
        ["patch", "--local", "-f", "-", "-o", "json", "-p", yaml],
        { stdin: JSON.stringify(pod) },
      )).stdout;
      const { code, said } = await bob(["create", "--dry-run=server", "-f", "-"], patched);
      assert.equal(code, 0, `${name}: ${said}`);
      if (yaml === undefined) continue;
      assert.match(
        (await bob(["create", "--dry-run=server", "-f", "-"], JSON.stringify(pod))).said,
        /violates PodSecurity/,
      );
    }
  });

  await step(t, "the chart of helm create: installed by the guest with the page's values", async () => {
    const values = printedFile(guests, "values.yaml");
    await Deno.writeTextFile(`${folder}/values.yaml`, values);
    const options = {
      cwd: folder,
      env: {
        KUBECONFIG: bobs,
        HELM_CACHE_HOME: `${folder}/helm`,
        HELM_CONFIG_HOME: `${folder}/helm`,
        HELM_DATA_HOME: `${folder}/helm`,
      },
    };
    const created = await runCommand(helm!, ["create", "shop"], options);
    assert.equal(created.code, 0, created.stderr);
    const install = commands.find(({ words, block }) =>
      block.page === guests && words.slice(0, 2).join(" ") === "helm install" && words.includes("--values")
    );
    assert.ok(install, `${guests} installs a chart with values`);
    const { code, stdout, stderr } = await runCommand(helm!, install.words.slice(1), options);
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stderr, /warning/i);
    await pods(/^pod\/shop-/gm, 1);
  });
  assert.deepEqual(operator.log.filter((line) => /fail/i.test(line)), []);
});
