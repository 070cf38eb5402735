/** The command's name: `keystone`, or `kubectl keystone` where kubectl runs it. */
import type { Io } from "./io.ts";

/** Variable by which the npm package's launcher says that the command runs as a plugin. */
const nameVariable = "KEYSTONE_COMMAND";
const asPlugin = "kubectl keystone";

/** Returns the name to type. */
export const commandName = ({ env }: Pick<Io, "env">): string => env(nameVariable) === asPlugin ? asPlugin : "keystone";

const verbs = "can-reach|completion|doctor|explain|grants?|kubeconfig|plan|realms?|revoke|extend|approve|trust|" +
  "superentity|superentities|tailnet|uninstall|use|version|would-fit";
const command = new RegExp(`(?<!kubectl |[\\w/-])keystone (?=(?:${verbs})\\b|--)`, "g");

/** Returns text for people with its command lines in the name to type. */
export const withCommandName = (io: Pick<Io, "env">, text: string): string =>
  commandName(io) === asPlugin ? text.replace(command, `${asPlugin} `) : text;
