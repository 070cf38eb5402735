/** Questions to a person at a terminal. */

/** A question for a text. Enter takes the default; the answer is checked before the next question. */
export interface TextQuestion {
  message: string;
  /** Answer for Enter, shown as the value that it is. */
  preset?: string;
  /** Returns a sentence with the remedy, if the answer can't be used. */
  check?: (answer: string) => string | undefined;
}

/** One of the values of a question. */
export interface ChoiceOption<V extends string> {
  value: V;
  label: string;
  /** Facts that help to choose. */
  hint?: string;
  /** Reason that it is shown but can't be chosen, such as `realm bob-home`. */
  closed?: string;
  /** True for an option that every search finds. */
  stays?: true;
}

/** A question for one of several values. A list of many can be searched. */
export interface ChoiceQuestion<V extends string> {
  message: string;
  /** At least one of them is not closed. */
  options: readonly ChoiceOption<V>[];
  /** Answer for Enter; without it, the first option that can be chosen. */
  preset?: V;
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

/** Number of options from which a list is searched. */
const manyOptions = 12;

/** Reports whether a list is so long that people look for an option by a part of its text. */
export const isSearched = ({ options }: ChoiceQuestion<string>): boolean => options.length >= manyOptions;

/** Returns the option that Enter takes. */
export function presetOption<V extends string>({ options, preset }: ChoiceQuestion<V>): ChoiceOption<V> {
  const open = options.filter(({ closed }) => closed === undefined);
  return open.find(({ value }) => value === preset) ?? open[0]!;
}

/** Returns the option's text: its label, and in brackets its facts or the reason that it can't be chosen. */
export const optionText = ({ label, hint, closed }: ChoiceOption<string>): string => {
  const more = closed ?? hint;
  return more === undefined ? label : `${label} (${more})`;
};

/** Returns the options with a text in theirs, in any case of letters, and those that stay. */
export const optionsWith = <V extends string>(text: string, options: readonly ChoiceOption<V>[]): ChoiceOption<V>[] =>
  options.filter((option) => option.stays || optionText(option).toLowerCase().includes(text.trim().toLowerCase()));

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
