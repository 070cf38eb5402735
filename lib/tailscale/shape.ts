import type { z } from "zod";

/**
 * Checks of a response of type `T`: one for each field of `T` with its type, so that the declared type and the checks
 * can't diverge.
 */
export type SchemaShape<T> = { [F in keyof T as string extends F ? never : F]-?: z.ZodType<T[F]> };
