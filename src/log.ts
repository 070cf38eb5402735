/** Structured logs: constant messages with properties, as JSON lines or text. Properties never contain secrets. */
import {
  configure,
  getConsoleSink,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type Logger,
} from "@logtape/logtape";

/** Sets up logging for the process and returns its logger. */
export async function setUpLog(form: "json" | "text"): Promise<Logger> {
  const formatter = form === "json"
    ? getJsonLinesFormatter({ properties: "flatten" })
    : getTextFormatter({ timestamp: "time", level: "FULL", category: () => "" });
  await configure({
    sinks: { console: getConsoleSink({ formatter }) },
    loggers: [
      { category: "keystone", sinks: ["console"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: ["console"], lowestLevel: "warning", parentSinks: "override" },
    ],
  });
  return getLogger("keystone");
}
