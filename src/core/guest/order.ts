/** Safe order of effects: closing before opening. */
import { type Effect, type EffectStage, stagesOf } from "../effects.ts";
import { type ObjectStage, type RowChange, stageOrder } from "./objects/row.ts";

/**
 * Orders the effects: access is removed first and granted last; the namespace with its Pod Security and the default
 * deny come before everything else, and the quota before policies that open. Pods end after that and before anything
 * opens. In a namespace in deletion nothing opens.
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
