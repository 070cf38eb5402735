import assert from "node:assert/strict";
import type { GrantStatus } from "../api/mod.ts";
import { isPermanent } from "../core/grant/termination.ts";
import { Unwritten } from "./unwritten.ts";

const grant = (status: GrantStatus) => ({ name: "g", uid: "u", status });

Deno.test("a status that could not be written: counts in place of the written one, until it is written", () => {
  const unwritten = new Unwritten<GrantStatus>(isPermanent);
  unwritten.keep(grant({ phase: "Active" }), { phase: "Active", message: "decided" });
  assert.equal(unwritten.decided(grant({ phase: "Active" })).status.message, "decided");
  assert.equal(unwritten.decided({ ...grant({ phase: "Active" }), uid: "another" }).status.message, undefined);
  unwritten.forget("g");
  assert.equal(unwritten.decided(grant({ phase: "Active" })).status.message, undefined);
});

Deno.test("a permanent end that was written after all, its response lost: counts, whatever is remembered", () => {
  const unwritten = new Unwritten<GrantStatus>(isPermanent);
  unwritten.keep(grant({ phase: "Active" }), { phase: "Active", message: "decided" });
  assert.deepEqual(unwritten.decided(grant({ phase: "Expired" })).status, { phase: "Expired" });
});
