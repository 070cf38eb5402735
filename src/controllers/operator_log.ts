/** Logs a constant message with `{placeholders}` and their values. */
export interface Log {
  /** For details that another line explains; absent: they are dropped. */
  debug?(message: string, properties?: Record<string, unknown>): void;
  info(message: string, properties?: Record<string, unknown>): void;
  warn(message: string, properties?: Record<string, unknown>): void;
}
