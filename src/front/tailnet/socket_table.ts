/** The kernel's table of TCP sockets, `/proc/net/tcp`. */

/** Owner of one end of a connection on 127.0.0.1. */
export interface SocketOwner {
  port: number;
  /** ID of the user. */
  user: number;
}

const loopback = "0100007F";
const portText = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");

/** Reports whether rows of the table have a listener at a port of 127.0.0.1. */
export function hasListener(rows: string, port: number): boolean {
  return rows.includes(` ${loopback}:${portText(port)} 00000000:0000 0A `);
}

/**
 * Returns the owners of the other ends of connections to a port of 127.0.0.1. A socket that no process has any more, such
 * as one in TIME_WAIT, has none.
 */
export function ownersOf(rows: string, port: number): SocketOwner[] {
  const remote = ` ${loopback}:${portText(port)} `;
  const found: SocketOwner[] = [];
  for (let at = rows.indexOf(remote); at >= 0; at = rows.indexOf(remote, at + remote.length)) {
    const end = rows.indexOf("\n", at);
    const row = rows.slice(rows.lastIndexOf("\n", at) + 1, end < 0 ? undefined : end).trim().split(/ +/);
    const [, local = "", peer, , , , , user, , inode] = row;
    if (peer !== remote.trim() || !local.startsWith(`${loopback}:`) || !inode || inode === "0") continue;
    found.push({ port: parseInt(local.slice(loopback.length + 1), 16), user: Number(user) });
  }
  return found;
}
