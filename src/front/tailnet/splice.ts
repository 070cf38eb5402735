/** Passes bytes between two connections, as after a `101 Switching Protocols`. */

/** One side of a splice. */
export interface SpliceSide {
  /** Returns the next bytes, valid until the next call; undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  write(bytes: Uint8Array): Promise<void>;
  /** Tells the side that nothing follows. */
  endWriting(): Promise<void>;
  close(): void;
}

/**
 * Passes bytes in both directions until one side ends, then closes both. Each direction holds at most one read, so a side
 * that doesn't read stops the other. The end of `far` reaches `near` after all bytes before it.
 */
export async function splice(near: SpliceSide, far: SpliceSide): Promise<void> {
  const close = () => {
    near.close();
    far.close();
  };
  // A client that has ended is gone: nobody reads what a shell would still write.
  const up = pass(near, far).catch(() => {}).finally(close);
  const down = pass(far, near).then(() => near.endWriting()).catch(() => {}).finally(close);
  await Promise.all([up, down]);
}

async function pass(from: SpliceSide, to: SpliceSide): Promise<void> {
  for (let bytes = await from.read(); bytes; bytes = await from.read()) await to.write(bytes);
}
