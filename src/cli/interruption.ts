/** Effect of Ctrl-C outside of the questions that read it as a key. */

let sentence: string | undefined;
let cancel: (() => void) | undefined;

/** Sets the sentence that an interrupt prints before the command ends; undefined: none. */
export const sayIfInterrupted = (text: string | undefined): void => {
  sentence = text;
};

/** Waits for the promise. An interrupt rejects it instead of ending the command. */
export async function cancelledBy<T>(promise: Promise<T>, reason: () => Error): Promise<T> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  cancel = () => reject(reason());
  try {
    return await Promise.race([promise, interrupted]);
  } finally {
    cancel = undefined;
  }
}

/** Handles an interrupt: returns true if a question takes it, else the sentence to print, if any. */
export function interrupt(): { isTaken: boolean; sentence?: string } {
  if (cancel !== undefined) {
    cancel();
    return { isTaken: true };
  }
  return { isTaken: false, ...(sentence === undefined ? {} : { sentence }) };
}
