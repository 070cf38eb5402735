/** Trust rules of a guest namespace, with the recorded trust level for when the Realm is gone. */
import { type Settings, type TrustLevel, trustLevels, type TrustRules } from "../../../api/mod.ts";
import type { NamespaceFacts, RealmFacts } from "../../facts.ts";
import { trustAnnotation } from "../../names.ts";
import { rulesOf } from "../../grant/lifecycle.ts";
import { isPresent } from "../../realm/present.ts";

interface TrustWorld {
  realm: RealmFacts | undefined;
  namespace: NamespaceFacts | undefined;
  settings: Settings;
}

/**
 * Returns the rules of the Realm; if it is gone, the last ones. Running pods were admitted by these: stricter rules
 * would prevent their pods from being replaced, looser ones would open something.
 */
export function rulesHere({ realm, namespace, settings }: TrustWorld): TrustRules {
  if (isPresent(realm)) return rulesOf(settings, realm);
  const recorded = recordedTrust(namespace);
  if (recorded) return settings.trust[recorded];
  // A namespace from a version without the record has its level as a label.
  const label = namespace?.labels["pod-security.kubernetes.io/enforce"];
  return label === "baseline" ? { ...settings.trust.public, podSecurity: label } : settings.trust.public;
}

/** Returns the recorded trust level. */
export const recordedTrust = (namespace: NamespaceFacts | undefined): TrustLevel | undefined =>
  trustLevels.find((level) => level === namespace?.annotations[trustAnnotation]);
