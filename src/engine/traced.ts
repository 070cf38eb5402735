/** OpenTelemetry spans; without OTEL_DENO=true they are plain calls. */
import { SpanStatusCode, trace } from "@opentelemetry/api";

const tracer = trace.getTracer("keystone-operator");

/** Runs `work` in a span; its requests to the API server become child spans automatically. */
export function traced<T>(name: string, attributes: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const keyed = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`keystone.${key}`, value]));
  return tracer.startActiveSpan(name, { attributes: keyed }, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}
