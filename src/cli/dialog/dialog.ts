/** Questions to a person at a terminal. */

/** A question for a text. Enter takes the default; the answer is checked before the next question. */
export interface TextQuestion {
  message: string;
  /** Answer for Enter, shown as the value that it is. */
  preset?: string;
  /** Returns a sentence with the remedy, if the answer can't be used. */
  check?: (answer: string) => string | undefined;
}

/** A question for one of several values. */
export interface ChoiceQuestion<V extends string> {
  message: string;
  /** The first one is the default. */
  options: readonly { value: V; label: string; hint?: string }[];
}

/** A question for yes or no. */
export interface YesNoQuestion {
  message: string;
  preset: boolean;
}

/** Asks a person. Every question throws {@linkcode Cancelled} after Ctrl-C, Escape or the end of the input. */
export interface Dialog extends Disposable {
  text(question: TextQuestion): Promise<string>;
  choose<V extends string>(question: ChoiceQuestion<V>): Promise<V>;
  confirm(question: YesNoQuestion): Promise<boolean>;
}

/** The person wants to end the command. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

/** Returns the answer of a text question: what was typed, else the default. */
export const answerOf = (typed: string | undefined, { preset = "" }: TextQuestion): string => {
  const answer = (typed ?? "").trim();
  return answer === "" ? preset : answer;
};

/** Returns a problem of an answer, if it has any. */
export function answerProblem(typed: string | undefined, question: TextQuestion): string | undefined {
  const answer = answerOf(typed, question);
  return answer === "" ? "An answer is required. Ctrl-C ends without a change." : question.check?.(answer);
}
