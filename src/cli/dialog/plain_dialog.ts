import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import type { Io } from "../io.ts";
import { printable } from "../session.ts";
import { wrapped } from "../wrapped_text.ts";
import { cancelledBy } from "../interruption.ts";
import {
  answerOf,
  answerProblem,
  Cancelled,
  type ChoiceOption,
  type ChoiceQuestion,
  type Dialog,
  isSearched,
  optionsWith,
  optionText,
  presetOption,
  type TextQuestion,
  type YesNoQuestion,
} from "./dialog.ts";

/** Options of a list that are written at a time. */
const mostShown = 15;

/** Returns the option that a number, or the whole name of only one option, means. */
function chosenBy<V extends string>(answer: string, options: readonly ChoiceOption<V>[]): ChoiceOption<V> | undefined {
  const named = options.filter(({ value, label }) => [value, label].includes(answer));
  return /^\d+$/.test(answer) ? options[Number(answer) - 1] : named.length === 1 ? named[0] : undefined;
}

function choiceProblem(answer: string, question: ChoiceQuestion<string>): string | undefined {
  const { options } = question;
  const chosen = chosenBy(answer, options);
  if (chosen?.closed !== undefined) return `${chosen.label} can't be chosen: ${chosen.closed}.`;
  if (chosen !== undefined) return undefined;
  if (!isSearched(question)) return `It must be a number from 1 to ${options.length}.`;
  return optionsWith(answer, options).some(({ closed }) => closed === undefined)
    ? undefined
    : `Nothing that can be chosen matches. It must be a number from 1 to ${options.length}, or a part of a name.`;
}

/** Questions in lines, without colors and cursor movements: for screen readers and simple terminals. */
export class PlainDialog implements Dialog {
  readonly #io: Pick<Io, "width">;
  readonly #reader: Interface;
  readonly #lines: AsyncIterator<string>;

  /** Reads answers from standard input until it is disposed of. */
  constructor(io: Pick<Io, "width">) {
    this.#io = io;
    this.#reader = createInterface({ input: process.stdin, terminal: false });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async text(question: TextQuestion): Promise<string> {
    const { message, preset } = question;
    for (;;) {
      const typed = await this.#ask(preset === undefined ? `${message}:` : `${message} [${preset}]:`);
      const problem = answerProblem(typed, question);
      if (problem === undefined) return answerOf(typed, question);
      this.#write(`${problem}\n`);
    }
  }

  async choose<V extends string>(question: ChoiceQuestion<V>): Promise<V> {
    const { message, options } = question;
    this.#write(`${message}\n`);
    let preset = presetOption(question);
    let shown = options;
    for (;;) {
      this.#list(options, shown, preset);
      const answer = await this.text({
        message: isSearched(question) ? "Number, or a part of the name" : "Number",
        preset: String(options.indexOf(preset) + 1),
        check: (answer) => choiceProblem(answer, question),
      });
      const chosen = chosenBy(answer, options);
      if (chosen !== undefined) return chosen.value;
      shown = optionsWith(answer, options);
      preset = shown.find(({ closed }) => closed === undefined)!;
    }
  }

  /** Writes options with their numbers in the whole list; of many, those around the one that Enter takes. */
  #list<V extends string>(
    all: readonly ChoiceOption<V>[],
    shown: readonly ChoiceOption<V>[],
    preset: ChoiceOption<V>,
  ): void {
    const found = shown.filter(({ stays }) => !stays);
    const from = Math.max(0, Math.min(found.indexOf(preset), found.length - mostShown));
    for (const option of [...found.slice(from, from + mostShown), ...shown.filter(({ stays }) => stays)]) {
      const number = option.closed === undefined ? `${all.indexOf(option) + 1}.` : "-";
      this.#write(`  ${number} ${optionText(option)}\n`);
    }
    const left = found.length - mostShown;
    if (left > 0) this.#write(`  and ${left} more: type a part of the name to see others\n`);
  }

  async confirm({ message, preset }: YesNoQuestion): Promise<boolean> {
    const answer = await this.text({
      message: `${message} yes or no`,
      preset: preset ? "yes" : "no",
      check: (answer) => /^(y|yes|n|no)$/i.test(answer) ? undefined : "It must be yes or no.",
    });
    return /^y/i.test(answer);
  }

  async #ask(message: string): Promise<string> {
    // An answer of any length has a line for itself.
    this.#write(`${message}\n`);
    process.stdout.write("> ");
    const line = await cancelledBy(this.#lines.next(), () => new Cancelled()).catch((error) => {
      if (error instanceof Cancelled) return { done: true } as const;
      throw error;
    });
    if (!line.done) return line.value;
    this.#write("\n");
    throw new Cancelled();
  }

  #write(text: string): void {
    process.stdout.write(wrapped(printable(text.trimEnd()), this.#io.width) + text.slice(text.trimEnd().length));
  }

  [Symbol.dispose](): void {
    this.#reader.close();
  }
}
