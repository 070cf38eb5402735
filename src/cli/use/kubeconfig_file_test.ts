import assert from "node:assert/strict";
import { join } from "node:path";
import { changeKubeconfig, fileForNewEntries, KubeconfigText } from "./kubeconfig_file.ts";

const written = `# Mine.
apiVersion: v1
kind: Config
current-context: dev # the usual one
clusters:
# The lab.
- name: dev
  cluster: {server: 'https://10.0.0.1:6443'}
contexts:
- context:
    cluster: dev
    user: dev
  name: dev
users: []
`;

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const adding = (name: string) => (kubeconfig: KubeconfigText) => {
  kubeconfig.set("clusters", name, { server: `https://${name}` });
  kubeconfig.set("contexts", name, { cluster: name, user: "" });
};

Deno.test("an entry is added: comments, quotes, other entries and kubectl's indentation stay", () => {
  const kubeconfig = new KubeconfigText(written, "config");
  adding("alice")(kubeconfig);
  kubeconfig.currentContext = "alice";
  const text = kubeconfig.toString();
  for (const line of written.split("\n").slice(0, 13)) {
    if (!line.startsWith("current-context")) assert.ok(text.split("\n").includes(line), `${line} in\n${text}`);
  }
  assert.match(text, /^current-context: alice # the usual one$/m);
  assert.match(text, /^- name: alice\n {2}cluster:\n {4}server: https:\/\/alice$/m);
  kubeconfig.remove("clusters", "alice");
  kubeconfig.remove("contexts", "alice");
  kubeconfig.currentContext = "dev";
  assert.equal(kubeconfig.toString(), written);
});

Deno.test("an equal entry: the text stays as it is", () => {
  const kubeconfig = new KubeconfigText(written, "config");
  kubeconfig.set("clusters", "dev", { server: "https://10.0.0.1:6443" });
  assert.equal(kubeconfig.toString(), written);
});

Deno.test("a kubeconfig in JSON stays JSON", () => {
  const kubeconfig = new KubeconfigText('{"kind":"Config","clusters":null}', "config");
  adding("alice")(kubeconfig);
  assert.equal(JSON.parse(kubeconfig.toString()).clusters[0].name, "alice");
});

Deno.test("text that is no kubeconfig: an error with its path, and nothing is written", async () => {
  await inFolder(async (folder) => {
    for (const text of ["- a\n", "a: [\n", "just words\n"]) {
      const path = join(folder, "config");
      await Deno.writeTextFile(path, text);
      await assert.rejects(changeKubeconfig(path, adding("alice")), /config isn't/);
      assert.equal(await Deno.readTextFile(path), text);
    }
  });
});

Deno.test("many programs change one file at a time: no entry is lost, and no lock is left", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "new", "config");
    const names = Array.from({ length: 12 }, (_, index) => `c${index}`);
    await Promise.all(names.map((name) => changeKubeconfig(path, adding(name))));
    const kubeconfig = new KubeconfigText(await Deno.readTextFile(path), path);
    assert.deepEqual(kubeconfig.names("contexts").toSorted(), names.toSorted());
    assert.deepEqual(Array.from(Deno.readDirSync(join(folder, "new")), ({ name }) => name), ["config"]);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  });
});

Deno.test("a link to a file with other rights: both stay", async () => {
  await inFolder(async (folder) => {
    const [file, link] = [join(folder, "file"), join(folder, "link")];
    await Deno.writeTextFile(file, written, { mode: 0o640 });
    await Deno.chmod(file, 0o640);
    await Deno.symlink(file, link);
    await changeKubeconfig(link, adding("alice"));
    assert.ok((await Deno.lstat(link)).isSymlink);
    assert.equal((await Deno.stat(file)).mode! & 0o777, 0o640);
    assert.match(await Deno.readTextFile(file), /alice/);
  });
});

Deno.test("several files: the first that exists gets new entries, else the last", async () => {
  await inFolder(async (folder) => {
    const paths = ["a", "b", "c"].map((name) => join(folder, name));
    assert.equal(await fileForNewEntries(paths), paths[2]);
    await Deno.writeTextFile(paths[1]!, "");
    assert.equal(await fileForNewEntries(paths), paths[1]);
    await assert.rejects(fileForNewEntries([]), /no place/);
  });
});
