import assert from "node:assert/strict";
import { pagesOf } from "../../tests/support/documentation_pages.ts";
import { commandProblem, knownCommand } from "./known_command.ts";
import { pagePictures } from "./page_pictures.ts";
import { scenes } from "./scenes.ts";
import { terminalSvg } from "./terminal_svg.ts";
import { commandsOfPicture } from "./terminal_svg.ts";

const images = new URL("../../docs/images/", import.meta.url);
const shown = new Set(
  pagesOf().flatMap(({ text }) =>
    [...text.matchAll(/\]\((?:docs\/)?images\/([\w-]+\.(?:svg|png))\)/g)].map(([, name]) => name!)
  ),
);
const files = [...Deno.readDirSync(images)].map(({ name }) => name);
/** Pictures that are drawn by hand. */
const drawn = ["lending.svg"];
const recorded = files.filter((name) => !drawn.includes(name) && !pagePictures.some((each) => each === name));
const commandsIn = (name: string) => commandsOfPicture(Deno.readTextFileSync(new URL(name, images)));

Deno.test("pictures: each one that a page shows exists, and each one is shown", () => {
  assert.deepEqual(files.toSorted(), [...shown].toSorted());
});

Deno.test("pictures: each was recorded from a scene, by commands that still exist", () => {
  assert.deepEqual(
    recorded.toSorted(),
    ["demo", ...scenes.map(({ name }) => name)].map((name) => `${name}.svg`).toSorted(),
  );
  for (const name of recorded) {
    const commands = commandsIn(name);
    assert.ok(commands.length > 0, `${name} names no command: run deno task record`);
    for (const command of commands) assert.equal(commandProblem(command), undefined, `${name}: run deno task record`);
    const scene = scenes.find((scene) => `${scene.name}.svg` === name);
    assert.deepEqual(
      commands,
      scene ? scene.steps.map(({ typed }) => knownCommand(typed)) : ["deno task demo"],
      `${name}: run deno task record`,
    );
  }
});

Deno.test("picture: its commands can be read from it, and are no part of what it shows", () => {
  const commands = ['keystone revoke a --reason "b < c & d"', "kubectl get grants"];
  const svg = terminalSvg([], { title: "t", columns: 20, commands });
  assert.deepEqual(commandsOfPicture(svg), commands);
  assert.deepEqual(commandsOfPicture(terminalSvg([], { title: "t", columns: 20 })), []);
  assert.doesNotMatch(svg, /<text[^>]*>[^<]*revoke/);
});

Deno.test("command of a picture: the first one that this version has; none: refused", () => {
  assert.equal(knownCommand(["keystone dance", "keystone doctor", "keystone --version"]), "keystone doctor");
  assert.equal(knownCommand("kubectl get pods | cat"), "kubectl get pods | cat");
  assert.throws(
    () => knownCommand(["keystone dance", "keystone doctor --loudly"]),
    /keystone doctor --loudly: .*unknown/,
  );
});
