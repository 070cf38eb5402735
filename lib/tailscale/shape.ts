import type { z } from "zod";

/**
 * The checks of an answer that is to be a `T`: for each field that `T` names one that gives its type, so that what is
 * claimed of a daemon's answer and what is checked can't part.
 */
export type SchemaShape<T> = { [F in keyof T as string extends F ? never : F]-?: z.ZodType<T[F]> };
