/** The order of safety: what closes before what opens. */
import { type Effect, type EffectStage, stagesOf } from "../effects.ts";
import { type ObjectStage, type RowChange, stageOrder } from "./objects/row.ts";

/**
 * Access goes first and comes last, the namespace with its Pod Security and the default deny stand before anything else, and
 * the quota before what lets traffic through. What runs ends after that, and before anything opens; where nothing can be
 * made any more nothing does.
 */
export function order(
  changes: readonly RowChange[],
  ending: readonly (readonly Effect[])[],
  leaving: boolean,
): EffectStage[] {
  const byStage = new Map<ObjectStage, Effect[]>();
  for (const { stage, effect } of changes) {
    const effects = byStage.get(stage);
    if (effects) effects.push(effect);
    else byStage.set(stage, [effect]);
  }
  const of = (stages: readonly ObjectStage[]) => stages.map((stage) => byStage.get(stage) ?? []);
  return [
    ...stagesOf("close", [...of(stageOrder.close), ...ending]),
    ...(leaving ? [] : stagesOf("open", of(stageOrder.open))),
  ];
}
