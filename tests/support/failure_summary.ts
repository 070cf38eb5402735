/** The failed tests in the output of `deno test`, cut to what a reader of the end of a log needs. */

/** Failed tests and their errors. */
export interface FailureSummary {
  /** One text per failure: its test, its error's message, and the project's own lines of the stack; ≤ 40 lines. */
  errors: string[];
  /** Names of the failed tests and steps, with their place. */
  names: string[];
}

const mostLines = 40;
/** Lines of the message that are kept from its end when it is too long; the rest is kept from its beginning. */
const linesOfEnd = 10;
/** Lines of the stack that are kept. */
const mostFrames = 4;
/** Characters of a line that are kept. */
const mostWidth = 500;

/**
 * Returns the failures that the runner lists at the end of its output. Output without such a list, of a run that ended
 * early or of another program, has one error, the output's end, and no names.
 */
export function failureSummary(output: string): FailureSummary {
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  const [, errors, names] =
    /^ ERRORS \n([\s\S]*)^ FAILURES \n([\s\S]*?)^FAILED \|/m.exec(plain.replaceAll(/\r/g, "")) ?? [];
  if (errors === undefined || names === undefined) {
    return { errors: [narrow(plain.trimEnd().split("\n").slice(-mostLines))], names: [] };
  }
  return {
    errors: errors.trim().split(/\n\n(?=.+\nerror: )/).map(shortened),
    names: names.trim().split("\n"),
  };
}

function shortened(block: string): string {
  const lines = block.trimEnd().split("\n");
  const isFrame = (line: string) => /^ {4,}at /.test(line);
  const frames = lines.filter((line) => isFrame(line) && line.includes("file:///") && !line.includes("/node_modules/"));
  const message = lines.filter((line) => !isFrame(line));
  const room = mostLines - Math.min(frames.length, mostFrames);
  const cut = message.length > room
    ? [
      ...message.slice(0, room - linesOfEnd - 1),
      `… ${message.length - room + 1} more lines …`,
      ...message.slice(-linesOfEnd),
    ]
    : message;
  return narrow([...cut, ...frames.slice(0, mostFrames)]);
}

const narrow = (lines: string[]): string =>
  lines.map((line) => line.length > mostWidth ? `${line.slice(0, mostWidth)}…` : line).join("\n");
