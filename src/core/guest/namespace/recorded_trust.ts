/** What the grantee is trusted with, as far as the guest namespace goes; on record for when the Realm is gone. */
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
 * The rules by which the namespace stands: those of the Realm, and when that is gone those that held last. What runs
 * there was admitted by them: to be stricter would keep its pods from coming back, to be looser would open something.
 */
export function rulesHere({ realm, namespace, settings }: TrustWorld): TrustRules {
  if (isPresent(realm)) return rulesOf(settings, realm);
  const recorded = recordedTrust(namespace);
  if (recorded) return settings.trust[recorded];
  // One that was made before there was a record has its level as a label.
  const label = namespace?.labels["pod-security.kubernetes.io/enforce"];
  return label === "baseline" ? { ...settings.trust.public, podSecurity: label } : settings.trust.public;
}

/** The trust level that held last. */
export const recordedTrust = (namespace: NamespaceFacts | undefined): TrustLevel | undefined =>
  trustLevels.find((level) => level === namespace?.annotations[trustAnnotation]);
