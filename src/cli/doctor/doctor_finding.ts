/** Findings of `keystone doctor`. */

/** `unknown`: not judged, for the reason in the message. */
export type FindingStatus = "ok" | "warn" | "fail" | "unknown";

export interface DoctorFinding {
  /** Name of the check. */
  name: string;
  status: FindingStatus;
  message: string;
  /** Command or change that ends the finding; empty if the status is `ok`. */
  remedy: string;
}

export const ok = (name: string, message: string): DoctorFinding => ({ name, status: "ok", message, remedy: "" });
export const warn = (name: string, message: string, remedy: string): DoctorFinding => ({
  name,
  status: "warn",
  message,
  remedy,
});
export const fail = (name: string, message: string, remedy: string): DoctorFinding => ({
  name,
  status: "fail",
  message,
  remedy,
});
export const unknown = (name: string, message: string, remedy: string): DoctorFinding => ({
  name,
  status: "unknown",
  message,
  remedy,
});

/** Returns the names as a list of at most `most`. */
export const someOf = (names: readonly string[], most = 5): string =>
  names.slice(0, most).join(", ") + (names.length > most ? `, … (${names.length} in total)` : "");
