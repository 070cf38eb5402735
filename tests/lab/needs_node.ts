import { imageObstacle, nodeObstacle, policyObstacle } from "./node_obstacle.ts";

/**
 * Registers a test that needs a lab's node. `KEYSTONE_E2E` decides what happens where none can run: with `require` the
 * test fails and says what is missing; else it is ignored, and `not run:` says so. With `off` it is ignored everywhere.
 */
export function nodeTest(
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
  { image = false, policy = false }: {
    /** Whether it also needs the operator's image. */
    image?: boolean;
    /** Whether the node has to enforce policies. */
    policy?: boolean;
  } = {},
): void {
  const wanted = Deno.env.get("KEYSTONE_E2E") ?? "auto";
  const obstacle = wanted === "off"
    ? "KEYSTONE_E2E=off."
    : (policy ? policyObstacle() : nodeObstacle()) ?? (image ? imageObstacle() : undefined);
  if (obstacle === undefined) return Deno.test(name, body);
  if (wanted === "require") {
    return Deno.test(name, () => {
      throw new Error(`KEYSTONE_E2E=require, and it can't run: ${obstacle}`);
    });
  }
  console.log(`not run: ${obstacle} (${name})`);
  Deno.test({ name, ignore: true, fn: body });
}
