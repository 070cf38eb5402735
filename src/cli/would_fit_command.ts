import type { Command } from "commander";
import type { ClientConfig, RestClient } from "../../lib/kubernetes/mod.ts";
import { guestNamespace } from "../core/names.ts";
import { countText } from "../core/plain_text.ts";
import { no, usageError } from "./exit.ts";
import { guestNamespaceOf } from "./guest_namespace.ts";
import { type Manifest, manifestsIn, namespaceConflict, placeOf, withFilenames } from "./manifests.ts";
import { type CommandAction, inLine, type Session, verb } from "./session.ts";
import { askerOf } from "./would_fit/asked_as.ts";
import { askAbout } from "./would_fit/asked_objects.ts";
import { namespaceState } from "./would_fit/namespace_state.ts";
import { ServerKinds } from "./would_fit/server_kinds.ts";
import { verdictsOn } from "./would_fit/object_verdicts.ts";
import { wholeAnswer, type WouldFitAnswer } from "./would_fit/whole_answer.ts";

export const wouldFitCommand = (run: CommandAction): Command =>
  withFilenames(
    verb(
      "would-fit",
      "Check whether objects would be admitted and fit into the realm's grants, before you apply them.",
      [
        "keystone would-fit -f web.yaml --realm bob-home",
        "helm template web ./chart | keystone would-fit -f - -n guest-bob-home",
        "keystone would-fit -f web.yaml -o json && kubectl apply -f web.yaml",
      ],
    ),
    "objects",
  )
    .option("-n, --namespace <name>", "guest namespace (default: each object's, else the kubeconfig's)")
    .option("--realm <name>", "realm of the guest namespace")
    .action(run(async (session, options) => {
      const paths = options.filename as string[];
      const manifests = await manifestsIn(session.io, paths, { recursive: options.recursive === true });
      const config = await session.clusterConfig();
      // Its answers include the warnings.
      const connect = (to: ClientConfig) => session.client(to, { onWarning: () => {} });
      using rest = connect(config);
      const kinds = new ServerKinds(rest);
      let answered = 0;
      const items = await session.during(
        () => `asking the API server about ${countText(manifests.length, "object")}, ${answered} answered`,
        async () =>
          await Promise.all(
            [...await byNamespace(manifests, rest, kinds, options)].map(async ([namespace, indexes]) => {
              const [state, asked] = await Promise.all([
                namespaceState(rest, namespace),
                (async () => {
                  using asker = await askerOf(rest, config, connect, namespace);
                  const objects = await askAbout(
                    indexes.map((index) => manifests[index]!),
                    namespace,
                    asker,
                    kinds,
                    () => answered++,
                  );
                  return { objects, as: asker.isGuest ? asker.name : `${asker.name}, with the rights of guests` };
                })(),
              ]);
              const items = verdictsOn(asked.objects, state);
              return {
                namespace,
                as: asked.as,
                state,
                items: items.map((item, at) => ({ item, index: indexes[at]! })),
              };
            }),
          ),
      );
      const answer = wholeAnswer(items);
      if (!session.data(answer)) report(session, answer);
      if (answer.fits !== true) throw no();
    }));

/** Groups the objects by their namespaces, as kubectl assigns them; returns their positions. */
async function byNamespace(
  manifests: readonly Manifest[],
  rest: RestClient,
  kinds: ServerKinds,
  options: { namespace?: unknown; realm?: unknown },
): Promise<Map<string, number[]>> {
  const set = options.namespace ?? (options.realm === undefined ? undefined : guestNamespace(String(options.realm)));
  const namespaced = await Promise.all(
    manifests.map(async ({ apiVersion, kind }) => (await kinds.resourceOf(apiVersion, kind))?.namespaced ?? false),
  );
  for (const [index, manifest] of manifests.entries()) {
    const conflict = namespaced[index] && set !== undefined ? namespaceConflict(manifest, String(set)) : undefined;
    if (conflict) throw usageError(`${placeOf(manifest)}: ${conflict}`);
  }
  const own = (index: number) => manifests[index]?.metadata?.namespace || undefined;
  const first = own(namespaced.findIndex((is, index) => is && own(index) !== undefined));
  return Map.groupBy(
    manifests.keys(),
    (index) => guestNamespaceOf(options, rest, namespaced[index] ? own(index) : first),
  );
}

function report(session: Session, { items, askedAs }: WouldFitAnswer): void {
  const { green, red, yellow } = session.colours;
  for (const { fits, message, warnings, runs } of items) {
    session.say(`${fits === null ? yellow("not judged:") : fits ? green("fits") : red("does not fit")}  ${message}`, 6);
    if (runs !== undefined) session.say(`      ${runs}.`);
    for (const warning of warnings) session.say(`      ${inLine(warning)}`);
  }
  session.say(`Asked as ${askedAs.join(" and ")}.`);
}
