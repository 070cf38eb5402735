import type { TerminalRun } from "./pty.ts";
import type { SceneAnswer } from "./scenes.ts";

/** Time without output after which a program waits for an answer. */
const quietMs = 1500;
const mostAnswers = 30;

/** Answers a program's questions: each answer once, in their order of preference; Enter for a question without one. */
export class Answering {
  readonly #left: SceneAnswer[];
  readonly #run: () => TerminalRun;
  readonly #quiet: number;
  #text = "";
  #given = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(answers: readonly SceneAnswer[], run: () => TerminalRun, quiet = quietMs) {
    this.#left = [...answers];
    this.#run = run;
    this.#quiet = quiet;
  }

  /** Takes output of the program. */
  onText(text: string): void {
    this.#text += text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#answer(), this.#quiet);
  }

  #answer(): void {
    // deno-lint-ignore no-control-regex
    const plain = this.#text.replaceAll(/\x1b\[[\d;?]*[@-~]/g, "");
    // The open question has this mark; what else was drawn are answers.
    const [question] = plain.slice(plain.lastIndexOf("◆") + 1).trim().split("\n");
    this.#text = "";
    if (++this.#given > mostAnswers) return void this.#run().type("\x03");
    const at = this.#left.findIndex(([pattern]) => pattern.test(question!));
    const [[, typed] = [/^/, "\r"]] = at < 0 ? [] : this.#left.splice(at, 1);
    void this.#run().type(typed);
  }

  /** Stops answering. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
