import * as prompts from "@clack/prompts";
import pc from "picocolors";
import { wrapped } from "../wrapped_text.ts";
import {
  answerOf,
  answerProblem,
  Cancelled,
  type ChoiceQuestion,
  type Dialog,
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

  async choose<V extends string>({ message, options }: ChoiceQuestion<V>): Promise<V> {
    const shown = options.map(({ value, label, hint }) => ({ value, label, ...(hint === undefined ? {} : { hint }) }));
    return given(
      await prompts.select<V>({ message, options: shown as never, initialValue: options[0]!.value }) as V | symbol,
    );
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

function given<T>(answer: T): Exclude<T, symbol> {
  if (prompts.isCancel(answer)) throw new Cancelled();
  return answer as Exclude<T, symbol>;
}
