/** Line and bar charts as SVG, readable in light and dark mode. */

/** Lines over a logarithmic x axis, in panels side by side. */
export interface LineChart {
  /** Alternative text. */
  alt: string;
  legend: string;
  x: string;
  /** `y`: the scale of the y axis. On two logarithmic axes, a cost in proportion to x is a straight line. */
  panels: { title: string; y: "linear" | "log"; lines: { name: string; points: [x: number, y: number][] }[] }[];
  /** Marks each point, because there are few. */
  points?: true;
}

/** Horizontal stacked bars, in panels one below the other. */
export interface BarChart {
  alt: string;
  x: string;
  panels: { title: string; bars: Bar[] }[];
}

/** A bar, with the spread of its value and the target. */
export interface Bar {
  name: string;
  parts: { name?: string; value: number }[];
  spread?: readonly [least: number, most: number];
  target?: number;
}

interface Scale {
  /** Returns the position of a value, as a fraction of the axis. */
  at: (value: number) => number;
  ticks: { value: number; label: string }[];
}

const fontSize = 11;
const lineHeight = 18;
const widthOf = (text: string): number => Math.ceil(text.length * fontSize * 0.6);
const numberFormat = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6 });

/** Returns a scale from 0 to a round number, with about `count` round numbers. */
export function linearScale(most: number, count: number): Scale {
  const rough = (most || 1) / count;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * magnitude >= rough)! * magnitude;
  const steps = Math.ceil((most || 1) / step);
  const ticks = Array.from(
    { length: steps + 1 },
    (_, n) => ({ value: n * step, label: numberFormat.format(n * step) }),
  );
  return { at: (value) => value / (steps * step), ticks };
}

/** Returns a scale between two powers of ten, with all one-digit multiples between them; the powers have labels. */
export function logScale(least: number, most: number): Scale {
  const [from, to] = [
    Math.floor(Math.log10(least)),
    Math.max(Math.ceil(Math.log10(most)), Math.floor(Math.log10(least)) + 1),
  ];
  const ticks = Array.from({ length: to - from }, (_, n) => 10 ** (from + n))
    .flatMap((power) => Array.from({ length: 9 }, (_, digit) => (digit + 1) * power))
    .concat(10 ** to)
    .map((value) => ({ value, label: Number.isInteger(Math.log10(value)) ? numberFormat.format(value) : "" }));
  return { at: (value) => (Math.log10(value) - from) / (to - from), ticks };
}

/** Draws lines; each panel has its own y axis. */
export function lineChart({ alt, legend, x, panels, points }: LineChart): string {
  const [width, height, left, top] = [panels.length > 1 ? 240 : 480, 240, 48, 2 * lineHeight];
  const values = panels.flatMap(({ lines }) => lines.flatMap((line) => line.points.map(([value]) => value)));
  const xScale = values.length > 0 ? logScale(Math.min(...values), Math.max(...values)) : logScale(1, 10);
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))];
  const drawn = panels.map(({ title, y, lines }, index) => {
    const heights = lines.flatMap((line) => line.points.map(([, value]) => value));
    const yScale = y === "log" && heights.length > 0
      ? logScale(Math.min(...heights), Math.max(...heights))
      : linearScale(Math.max(0, ...heights), 5);
    const place = ([a, b]: [number, number]) =>
      [round(xScale.at(a) * width), round((1 - yScale.at(b)) * height)] as const;
    const curves = lines.map((line) => {
      const color = `c${names.indexOf(line.name)}`;
      const places = line.points.map(place);
      const dots = points ? places.map(([cx, cy]) => `<circle class="${color}" cx="${cx}" cy="${cy}" r="3"/>`) : [];
      return `<polyline class="line ${color}" points="${places.join(" ")}"/>${dots.join("")}`;
    });
    return [
      `<g transform="translate(${left + index * (width + left + 12)} ${top})">`,
      text(width / 2, -lineHeight / 2, title, "middle"),
      ...xScale.ticks.map(({ value, label }) => upright(xScale.at(value) * width, height, label)),
      ...yScale.ticks.map(({ value, label }) => level((1 - yScale.at(value)) * height, width, label)),
      text(width / 2, height + 2.2 * lineHeight, x, "middle"),
      ...curves,
      "</g>",
    ];
  });
  const right = panels.length * (width + left + 12) + 12;
  const size = [right + widthOf(legend) + Math.max(...names.map(widthOf)), top + height + 2.6 * lineHeight] as const;
  return svg(alt, size, [...drawn.flat(), ...key(right, top, names, legend)]);
}

/** Draws bars; each panel has its own x axis. */
export function barChart({ alt, x, panels }: BarChart): string {
  const [width, thick] = [420, 26];
  const left = Math.max(0, ...panels.flatMap(({ bars }) => bars.map(({ name }) => widthOf(name)))) + 16;
  const names = [
    ...new Set(panels.flatMap(({ bars }) => bars.flatMap(({ parts }) => parts.map(({ name = "" }) => name)))),
  ];
  let top = 6;
  const drawn = panels.flatMap(({ title, bars }) => {
    top += lineHeight;
    const scale = linearScale(
      Math.max(0, ...bars.map(({ parts, spread, target = 0 }) => Math.max(sum(parts), spread?.[1] ?? 0, target))),
      6,
    );
    const along = (value: number) => round(scale.at(value) * width);
    const height = bars.length * thick;
    const rows = bars.flatMap(({ name, parts, spread, target }, row) => {
      const [upper, middle] = [row * thick + 2, row * thick + thick / 2];
      let begin = 0;
      return [
        text(-8, middle, name, "end"),
        ...parts.map((part) => {
          const [from, to] = [along(begin), along(begin += part.value)];
          const color = `c${names.indexOf(part.name ?? "")}`;
          return `<rect class="${color}" x="${from}" y="${upper}" width="${round(to - from)}" height="${thick - 4}"/>`;
        }),
        ...spread ? [`<path class="spread" d="M${along(spread[0])} ${middle}H${along(spread[1])}"/>`] : [],
        ...target === undefined ? [] : [`<path class="target" d="M${along(target)} ${upper - 1}v${thick - 2}"/>`],
      ];
    });
    const panel = [
      `<g transform="translate(${left} ${top})">`,
      text(width / 2, -lineHeight / 2, title, "middle"),
      ...scale.ticks.map(({ value, label }) => upright(along(value), height, label)),
      ...rows,
      text(width / 2, height + 2.2 * lineHeight, x, "middle"),
      "</g>",
    ];
    top += height + 3 * lineHeight;
    return panel;
  });
  const named = names.filter((name) => name !== "");
  const right = left + width + 24;
  const size = [named.length > 0 ? right + 24 + Math.max(...named.map(widthOf)) : right, top] as const;
  return svg(alt, size, [...drawn, ...key(right, lineHeight, named)]);
}

const sum = (parts: Bar["parts"]): number => parts.reduce((total, { value }) => total + value, 0);
const round = (value: number): number => Math.round(value * 10) / 10;

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end"): string {
  const escaped = content.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped}</text>`;
}

/** Draws a vertical grid line with its label below. */
const upright = (x: number, height: number, label: string): string =>
  `<path class="grid" d="M${round(x)} 0V${height}"/>` + (label && text(x, height + lineHeight * 0.8, label, "middle"));

/** Draws a horizontal grid line with its label on the left. */
const level = (y: number, width: number, label: string): string =>
  `<path class="grid" d="M0 ${round(y)}H${width}"/>` + (label && text(-6, y, label, "end"));

function key(x: number, y: number, names: string[], title?: string): string[] {
  const first = title === undefined ? 0 : 1;
  return [
    ...title === undefined ? [] : [text(x, y, title, "start")],
    ...names.map((name, index) => {
      const middle = y + (index + first) * lineHeight;
      return `<rect class="c${index}" x="${x}" y="${middle - 5}" width="10" height="10"/>` +
        text(x + 16, middle, name, "start");
    }),
  ];
}

const style = `
.back { fill: #ffffff }
text { fill: #1f2328; font: ${fontSize}px sans-serif; dominant-baseline: central }
.grid { stroke: #d8dee4 }
.c0 { fill: #4c78a8; stroke: #4c78a8 }
.c1 { fill: #f58518; stroke: #f58518 }
.c2 { fill: #e45756; stroke: #e45756 }
.c3 { fill: #72b7b2; stroke: #72b7b2 }
rect { stroke: none }
.line { fill: none; stroke-width: 2 }
.spread { stroke: #1f2328 }
.target { stroke: #b22222; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 }
text { fill: #e6edf3 }
.grid { stroke: #30363d }
.spread { stroke: #e6edf3 }
.target { stroke: #ff7b72 }
}
`;

/** Returns the whole picture, on its own background, so that it fits pages of any color. */
function svg(alt: string, [width, height]: readonly [number, number], parts: readonly string[]): string {
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${alt}" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">`,
    `<style>${style}</style>`,
    `<rect class="back" width="${w}" height="${h}"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}
