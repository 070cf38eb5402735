import assert from "node:assert/strict";
import { hasListener, ownersOf } from "./socket_table.ts";

const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const row = (local: string, remote: string, state: string, user: number, inode: number) =>
  `   7: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${
    String(user).padStart(5)
  }        0 ${inode} 1 0 20 4 30 10 -1`;
const table = (...rows: string[]) => [head, ...rows, ""].join("\n");

Deno.test("socket table: owners of the other ends of connections to the port", () => {
  const rows = table(
    row("0100007F:20FB", "00000000:0000", "0A", 65_531, 11),
    row("0100007F:20FB", "0100007F:9C41", "01", 65_531, 12),
    row("0100007F:9C41", "0100007F:20FB", "01", 65_532, 13),
    row("0100007F:9C42", "0100007F:20FB", "05", 1337, 14),
  );
  assert.deepEqual(ownersOf(rows, 8443), [{ port: 40_001, user: 65_532 }, { port: 40_002, user: 1337 }]);
  assert.equal(hasListener(rows, 8443), true);
});

Deno.test("socket table: no owner of sockets that no process has, of other ports and of other addresses", () => {
  const rows = table(
    row("0100007F:9C41", "0100007F:20FB", "06", 0, 0),
    row("0100007F:9C42", "0100007F:20FC", "01", 65_532, 13),
    row("0200007F:9C43", "0100007F:20FB", "01", 65_532, 14),
    row("0100007F:9C44", "0A00000A:20FB", "01", 65_532, 15),
  );
  assert.deepEqual(ownersOf(rows, 8443), []);
  assert.equal(hasListener(rows, 8443), false);
});
