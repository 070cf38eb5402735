import { browserObstacle, imageObstacle, nodeObstacle, policyObstacle, prometheusObstacle } from "./node_obstacle.ts";

/**
 * Registers a test that needs a lab's node. On a machine that can't run one, `KEYSTONE_E2E=require` makes the test fail
 * with the reason; else the test is ignored, and `not run:` has the reason. `KEYSTONE_E2E=off` ignores it everywhere.
 */
export function nodeTest(
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
  { image = false, policy = false }: {
    /** True if it also needs the operator's image. */
    image?: boolean;
    /** True if the node must enforce NetworkPolicies. */
    policy?: boolean;
  } = {},
): void {
  const wanted = Deno.env.get("KEYSTONE_E2E") ?? "auto";
  const obstacle = wanted === "off"
    ? "KEYSTONE_E2E=off."
    : (policy ? policyObstacle() : nodeObstacle()) ?? (image ? imageObstacle() : undefined);
  testUnless(obstacle, wanted, name, body);
}

/**
 * Registers a test that runs the real Prometheus. On a machine without it, `KEYSTONE_E2E=require` makes the test fail with
 * the reason; else the test is ignored, and `not run:` has the reason.
 */
export function prometheusTest(
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
  /** Reason why it can't run, apart from a missing Prometheus. */
  obstacle?: string,
): void {
  testUnless(prometheusObstacle() ?? obstacle, Deno.env.get("KEYSTONE_E2E"), name, body);
}

/** Registers a test that needs a browser, with the rules of {@linkcode prometheusTest}. */
export function browserTest(name: string, body: (t: Deno.TestContext) => Promise<void>): void {
  testUnless(browserObstacle(), Deno.env.get("KEYSTONE_E2E"), name, body);
}

function testUnless(
  obstacle: string | undefined,
  wanted: string | undefined,
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  if (obstacle === undefined) return Deno.test(name, body);
  if (wanted === "require") {
    return Deno.test(name, () => {
      throw new Error(`KEYSTONE_E2E=require, but the test can't run: ${obstacle}`);
    });
  }
  console.log(`not run: ${obstacle} (${name})`);
  Deno.test({ name, ignore: true, fn: body });
}
