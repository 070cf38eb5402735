import assert from "node:assert/strict";
import { operatorCommand } from "./launch.ts";

Deno.test("--help tells how the operator is used, with no cluster at hand", async () => {
  const { code, stdout } = await (await operatorCommand(["--help"])).output();
  assert.match(new TextDecoder().decode(stdout), /deno task run/);
  assert.equal(code, 0);
});
