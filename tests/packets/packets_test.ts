/**
 * Real packets on a node that enforces policies: each flow from and to guests passes exactly if the text of the Grants allows
 * it. Also connections when a grant is cut, when it ends, and before policies apply to a new pod.
 */
import assert from "node:assert/strict";
import { step } from "../fixtures/test_operator.ts";
import { openLab, startLab } from "../lab/lab.ts";
import { nodeTest } from "../lab/needs_node.ts";
import { REALMS } from "./packet_contracts.ts";
import { cutsUnderLoad } from "./cuts.ts";
import { matrix } from "./flows.ts";
import { Oracle } from "./oracle.ts";
import { packetScene } from "./packet_scene.ts";
import { type Agreement, agreementByName, agreementWith, type SeenFlow } from "./reach_agreement.ts";
import { startGaps } from "./start_gap.ts";
import { verdictsOf } from "./verdicts.ts";

/** Time for kube-router to enforce a change on a busy machine. */
const ENFORCED_WITHIN_MS = 30_000;

/** Prints the counts, and fails if any answer differs from the packets. */
function told({ judged, unjudged, disagreements }: Agreement): void {
  console.log(`${judged} answers, ${unjudged.length} not judged, ${disagreements.length} differ`);
  for (const each of [...disagreements, ...unjudged].slice(0, 100)) console.log(`  ${each}`);
  assert.deepEqual(disagreements.slice(0, 10), [], `${disagreements.length} of ${judged} answers`);
  // The node doesn't report its addresses in the home network.
  assert.deepEqual(unjudged.filter((text) => !/an address that a node doesn't report/.test(text)), []);
  assert.ok(unjudged.length <= 8, `${unjudged.length} aren't judged`);
}

nodeTest("packets pass exactly as the grants allow", async (t) => {
  // An existing lab is for debugging; it keeps everything.
  const dir = Deno.env.get("KEYSTONE_LAB_DIR");
  await using lab = dir ? await openLab(dir) : await startLab({ node: true, policy: true });
  await using scene = await packetScene(lab);
  const seen: SeenFlow[] = [];

  await step(t, "the traffic matrix: every flow is as in the text of the grants", async () => {
    await scene.enforced();
    const oracle = new Oracle(scene.ownRanges);
    const flows = matrix(scene);
    const { passed, denied, outcomes, disagreements } = await verdictsOf(scene, flows, (flow) => oracle.mayPass(flow));
    const grants = REALMS.flatMap(({ grants }) => grants).length;
    console.log(
      `${grants} grants to ${REALMS.length} realms: ${flows.length} flows, ${passed} pass, ${denied} are denied, ` +
        `${disagreements.length} differ`,
    );
    for (const each of disagreements.slice(0, 100)) console.log(`  ${each}`);
    assert.deepEqual(disagreements.slice(0, 10), [], `${disagreements.length} of ${flows.length} flows`);
    assert.ok(passed > flows.length / 20 && denied > flows.length / 3, "both verdicts must be common");
    seen.push(...flows.map((flow, index) => ({ flow, passed: outcomes[index] })));
  });

  await step(t, "can-reach: its judgement of each flow of the matrix is what happened to the packets", async () => {
    told(await agreementWith(scene, seen));
  });

  await step(t, "can-reach by names: its answer is what happens to a connection from the pod", async () => {
    told(await agreementByName(scene));
  });

  await step(
    t,
    "a grant is cut, then ended: no new connection passes, and open ones last until their pod ends",
    async () => {
      const { cut, undisturbed, lookedOnMs, end } = await cutsUnderLoad(scene);
      console.log(
        `cut: the last new connection passes after ${cut.lastNew} ms, open ones live on (${cut.lastKept} ms); of ` +
          `${undisturbed.asked} questions elsewhere ${undisturbed.unanswered} aren't answered\n` +
          `end: the last new connection passes after ${end.out.lastNew} ms outwards and ${end.in.lastNew} ms inwards, the ` +
          `last answer over open ones after ${end.out.lastKept} and ${end.in.lastKept} ms; the pod is deleted after ` +
          `${end.podGoneMs} ms`,
      );
      assert.ok(cut.lastNew < ENFORCED_WITHIN_MS, `new connections pass for ${cut.lastNew} ms`);
      // As docs/security.md says. If open connections end earlier now, change the page.
      assert.ok(cut.lastKept > cut.lastNew + 3_000, `open connections live for ${cut.lastKept} ms only`);
      const { asked, lastNew, lastKept } = undisturbed;
      assert.ok(asked > 300 && Math.min(lastNew, lastKept) > lookedOnMs - 4_000, "connections that aren't cut end too");
      for (const { lastNew, lastKept } of [end.out, end.in]) {
        assert.ok(lastNew < ENFORCED_WITHIN_MS, `new connections pass for ${lastNew} ms after the end`);
        assert.ok(lastKept < ENFORCED_WITHIN_MS, `open connections live for ${lastKept} ms after the end`);
      }
    },
  );

  await step(t, "a pod has just started: denied traffic passes for a moment, and then never", async () => {
    const gaps = await startGaps(scene, { alone: 3, together: 5 });
    for (const [kind, all] of Object.entries(gaps)) {
      const told = all.map(({ ipv4, ipv6, outlives }) => `${ipv4.toFixed(0)}/${ipv6.toFixed(0)}${outlives ? "*" : ""}`);
      console.log(`pods that start ${kind}: open for ${told.join(", ")} ms (IPv4/IPv6; *: a connection lives on)`);
      for (const { pod, ipv4, ipv6 } of all) {
        const longest = Math.max(ipv4, ipv6);
        assert.ok(longest < ENFORCED_WITHIN_MS, `${pod} is open for ${longest} ms`);
      }
    }
  });
}, { policy: true });
