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
  type ChoiceQuestion,
  type Dialog,
  type TextQuestion,
  type YesNoQuestion,
} from "./dialog.ts";

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

  async choose<V extends string>({ message, options }: ChoiceQuestion<V>): Promise<V> {
    this.#write(`${message}\n`);
    for (const [index, { label, hint }] of options.entries()) {
      this.#write(`  ${index + 1}. ${label}${hint === undefined ? "" : ` (${hint})`}\n`);
    }
    const number = await this.text({
      message: "Number",
      preset: "1",
      check: (answer) => found(answer) === undefined ? `It must be a number from 1 to ${options.length}.` : undefined,
    });
    return found(number)!;

    function found(answer: string): V | undefined {
      return (options[Number(answer) - 1] ?? options.find(({ value, label }) => [value, label].includes(answer)))
        ?.value;
    }
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
