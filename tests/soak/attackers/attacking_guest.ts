/**
 * A hostile guest that runs all attacks at once, each at its own pace, until the input ends, and then prints the counts
 * of responses as JSON. It is a separate process:
 *
 * attacking_guest.ts KUBECONFIG NAMESPACE OTHERS SEED BYTES_PER_SECOND [NAME,…]
 */
import { randomOf } from "../../simulation/random.ts";
import { attacksOn } from "./soak_attacks.ts";
import { Hands, RequestBudget } from "./hands.ts";

const [kubeconfig, namespace, others, seed, perSecond, only = ""] = Deno.args as [
  string,
  string,
  string,
  string,
  string,
];
const stop = new AbortController();
const { tally, hands } = await Hands.of(kubeconfig, namespace, new RequestBudget(Number(perSecond)), stop.signal);
const names = only.split(",").filter((name) => name !== "");
const attacking = attacksOn(others).map(async (attack, index) => {
  if (names.length > 0 && !names.includes(attack.name)) return;
  const random = randomOf(Number(seed), index);
  const own = hands(attack.name);
  while (!stop.signal.aborted) {
    await attack.round(own, random);
    await own.pause(random.below(attack.restMs));
  }
});
for await (const _ of Deno.stdin.readable);
stop.abort();
await Promise.all(attacking);
console.log(JSON.stringify(tally));
Deno.exit(0);
