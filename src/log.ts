/** Structured logs: constant messages with properties, as JSON lines or text. Properties never contain secrets. */
import {
  configure,
  getConsoleSink,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type Logger,
  type LogRecord,
  type TextFormatter,
} from "@logtape/logtape";

/** Sets up logging for the process and returns its logger. */
export async function setUpLog(form: "json" | "text"): Promise<Logger> {
  await configure({
    sinks: { console: getConsoleSink({ formatter: form === "json" ? jsonLine : textLine }) },
    loggers: [
      { category: "keystone", sinks: ["console"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: ["console"], lowestLevel: "warning", parentSinks: "override" },
    ],
  });
  return getLogger("keystone");
}

/** Formats a record as text, without quotes around values. Control characters in values are escaped. */
export const textLine: TextFormatter = getTextFormatter({
  timestamp: "time",
  level: "FULL",
  category: () => "",
  value: "bare",
});

const inJson = getJsonLinesFormatter({ properties: "flatten" });

/** Formats a record as a JSON object, with the same message as in text; the properties are its other keys. */
export const jsonLine: TextFormatter = (record) => {
  const text = record.message.map((part, index) => index % 2 === 0 || typeof part === "string" ? part : inText(part));
  return inJson({ ...record, message: [text.join("")], properties: propertiesOf(record) });
};

const inText = (value: unknown): string => value instanceof Error ? value.message : JSON.stringify(value) ?? "";

/** Leaves out a property that is the whole message. */
function propertiesOf({ rawMessage, properties }: LogRecord): Record<string, unknown> {
  const [, whole] = typeof rawMessage === "string" ? /^\{(\w+)\}$/.exec(rawMessage) ?? [] : [];
  return Object.fromEntries(Object.entries(properties).filter(([key]) => key !== whole));
}
