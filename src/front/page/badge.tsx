/** A state as a word with a shape, so that its color is not needed. */
import type { Tone } from "../../core/page/tone.ts";

const shapes: Readonly<Record<Tone, string>> = {
  good: "M2 7l3 3 5-6",
  waiting: "M6 2v4l3 2",
  bad: "M3 3l6 6M9 3l-6 6",
  over: "M3 6h6",
};

/** A word in its tone. */
export function Badge({ tone, text }: { tone: Tone; text: string }) {
  return (
    <span class={`badge ${tone}`}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        <path d={shapes[tone]} fill="none" stroke="currentColor" stroke-width="2" />
      </svg>
      {text}
    </span>
  );
}
