import * as prompts from "@clack/prompts";
import pc from "picocolors";
import { wrapped } from "../wrapped_text.ts";
import {
  answerOf,
  answerProblem,
  Cancelled,
  type ChoiceQuestion,
  type Dialog,
  isSearched,
  optionsWith,
  optionText,
  presetOption,
  type TextQuestion,
  type YesNoQuestion,
} from "./dialog.ts";

// The end of the input, which would leave a question that no key answers.
prompts.updateSettings({ aliases: { "\x04": "cancel" } });

/** Columns of the line at the left of all questions. */
const guide = 3;

/** Questions that are redrawn while they are answered, with arrow keys and colors. */
export class DrawnDialog implements Dialog {
  readonly #width: number;

  /** Draws for a terminal of this width. */
  constructor(width: number) {
    this.#width = width;
  }

  async text(question: TextQuestion): Promise<string> {
    const { message, preset } = question;
    const answer = given(
      await prompts.text({
        message: this.#lines(message, `${pc.gray(prompts.S_BAR)}  `),
        ...(preset === undefined ? {} : { placeholder: preset, defaultValue: preset }),
        validate: (typed) => {
          const problem = answerProblem(typed, question);
          return problem && this.#lines(problem, "   ");
        },
      }),
    );
    return answerOf(answer, question);
  }

  async choose<V extends string>(question: ChoiceQuestion<V>): Promise<V> {
    const initialValue = presetOption(question).value;
    if (isSearched(question)) return await this.#search(question, initialValue);
    const options = optionsOf(question);
    return given(
      await prompts.select<V>({ message: question.message, options: options as never, initialValue }) as V | symbol,
    );
  }

  async #search<V extends string>(question: ChoiceQuestion<V>, initialValue: V): Promise<V> {
    const { message, options } = question;
    const found = await prompts.autocomplete<V>({
      message: this.#lines(message, `${pc.gray(prompts.S_BAR)}  `),
      options: optionsOf(question) as never,
      filter: (text, { value }) => optionsWith(text, options).some((option) => option.value === value),
      initialValue,
      placeholder: "type a part of the name",
      maxItems: 10,
      validate: (value) => value === undefined ? "Nothing that can be chosen matches. Type another part." : undefined,
    });
    return given(found as V | symbol);
  }

  async confirm({ message, preset }: YesNoQuestion): Promise<boolean> {
    return given(await prompts.confirm({ message, initialValue: preset }));
  }

  /** Lines that end between words, each but the first with a beginning. */
  #lines(text: string, begin: string): string {
    return wrapped(text, this.#width - guide - 1).replaceAll("\n", `\n${begin}`);
  }

  [Symbol.dispose](): void {}
}

/** Returns the options with all their facts, which the library shows beside the focused one only. */
const optionsOf = ({ options }: ChoiceQuestion<string>) =>
  options.map((option) => ({
    value: option.value,
    label: optionText(option),
    disabled: option.closed !== undefined,
  }));

function given<T>(answer: T): Exclude<T, symbol> {
  if (prompts.isCancel(answer)) throw new Cancelled();
  return answer as Exclude<T, symbol>;
}
