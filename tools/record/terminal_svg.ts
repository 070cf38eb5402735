import type { StyledSpan } from "./terminal_screen.ts";

const palette: Readonly<Record<string, string>> = {
  "black": "#484f58",
  "red": "#ff7b72",
  "green": "#3fb950",
  "yellow": "#d29922",
  "blue": "#58a6ff",
  "magenta": "#bc8cff",
  "cyan": "#39c5cf",
  "white": "#b1bac4",
  "bright-black": "#6e7681",
  "bright-red": "#ffa198",
  "bright-green": "#56d364",
  "bright-yellow": "#e3b341",
  "bright-blue": "#79c0ff",
  "bright-magenta": "#d2a8ff",
  "bright-cyan": "#56d4dd",
  "bright-white": "#f0f6fc",
};

/** Measures in pixels. Letters are placed by column, so that any monospaced font of the reader's machine fits. */
const cell = { width: 8.4, height: 19 };
const margin = 16;
const bar = 36;

/** Draws rows of a terminal as a still picture that needs no font, script or host. */
export function terminalSvg(
  rows: readonly StyledSpan[][],
  { title, columns, commands = [] }: { title: string; columns: number; commands?: readonly string[] },
): string {
  const width = Math.ceil(columns * cell.width + 2 * margin);
  const height = Math.ceil(bar + rows.length * cell.height + margin);
  const lines = rows.flatMap((spans, row) => {
    const y = round(bar + (row + 0.75) * cell.height);
    const visible = spans.flatMap(wordsOfSpan);
    return visible.length === 0 ? [] : [`<text y="${y}">${visible.map(spanSvg).join("")}</text>`];
  });
  const dots = ["#ff5f57", "#febc2e", "#28c840"]
    .map((color, index) => `<circle cx="${margin + 6 + index * 20}" cy="${bar / 2}" r="6" fill="${color}"/>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${
    escaped(title)
  }">
<title>${escaped(title)}</title>${
    commands.length > 0 ? `\n<desc>${escaped(commands.map((command) => `$ ${command}`).join("\n"))}</desc>` : ""
  }
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3}.b{font-weight:700}.d{opacity:.6}.u{text-decoration:underline}</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
${dots.join("")}
<text x="${width / 2}" y="${bar / 2 + 5}" text-anchor="middle" class="d">${escaped(title)}</text>
${lines.join("\n")}
</svg>
`;
}

/** Returns the commands that a picture was made from; none for a picture that was not recorded. */
export function commandsOfPicture(svg: string): string[] {
  const text = /<desc>([^]*?)<\/desc>/.exec(svg)?.[1] ?? "";
  const plain = text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
  return plain.split("\n").filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
}

/** Parts without blanks at their ends and wide gaps, which not every reader of SVG keeps. */
function wordsOfSpan(span: StyledSpan): StyledSpan[] {
  return [...span.text.matchAll(/\S+(?: \S+)*/g)].map(({ index, 0: text }) => ({
    ...span,
    column: span.column + [...span.text.slice(0, index)].length,
    text,
  }));
}

function spanSvg({ column, text, color, bold, dim, underline }: StyledSpan): string {
  const classes = [bold && "b", dim && "d", underline && "u"].filter(Boolean).join(" ");
  const attributes = [
    `x="${round(margin + column * cell.width)}"`,
    `textLength="${round([...text].length * cell.width)}"`,
    ...(classes === "" ? [] : [`class="${classes}"`]),
    ...(color === undefined ? [] : [`style="fill:${palette[color] ?? color}"`]),
  ];
  return `<tspan ${attributes.join(" ")}>${escaped(text)}</tspan>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
