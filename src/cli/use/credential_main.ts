/**
 * The credential plugin of a context of `keystone use`, run by kubectl: `credential_main.ts FOLDER`. It starts the
 * forwarder if none runs, such as after a reboot, and prints the certificate that opens it.
 */
import { credentialMs, readForwarderKeys, runningForwarder } from "./forwarder_folder.ts";
import { startForwarder } from "./start_forwarder.ts";

const [folder] = Deno.args as [string];
try {
  const keys = await readForwarderKeys(folder);
  if (!keys) throw new Error(`${folder} has no keys. Run keystone use again.`);
  if (await runningForwarder(folder) === undefined) await startForwarder(folder);
  console.log(JSON.stringify({
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    status: {
      expirationTimestamp: new Date(Date.now() + credentialMs).toISOString(),
      clientCertificateData: keys.clientCertificate,
      clientKeyData: keys.clientKey,
    },
  }));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  Deno.exit(1);
}
Deno.exit(0);
