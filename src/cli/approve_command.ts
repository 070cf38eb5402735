import type { Command } from "commander";
import { dump } from "js-yaml";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { realmOfNamespace } from "../core/names.ts";
import { canonicalTerms, digestOf } from "../core/superentity/digest.ts";
import { confirm } from "./confirmation.ts";
import { no, usageError } from "./exit.ts";
import { type CommandAction, verb } from "./session.ts";

export const approveCommand = (run: CommandAction): Command =>
  verb("approve", "Approve the terms of a SuperEntity for your realm, or withdraw the approval.", [
    "keystone superentity approve three-homes --realm bob-home",
    "keystone superentity approve three-homes --realm bob-home --yes",
    "keystone superentity approve three-homes --realm bob-home --withdraw",
  ])
    .argument("<superentity>", "name of the SuperEntity")
    .option("--realm <name>", "member that approves (default: KEYSTONE_REALM, else the realm of your guest namespace)")
    .option("--withdraw", "withdraw the approval")
    .option("--digest <sha256>", "expected digest of the terms; with any other, nothing is approved")
    .option("--yes", "no confirmation")
    .action(run(async (session, { realm: named, withdraw, digest: expected, yes }, entity) => {
      using rest = await session.connect();
      const name = String(entity);
      const realm = (named ?? session.io.env("KEYSTONE_REALM")) || realmOfNamespace(rest.defaultNamespace ?? "");
      if (!realm) throw usageError("--realm is not set. Use --realm REALM, or set KEYSTONE_REALM.");
      const api = new KeystoneV1alpha1Api(rest).superEntities;
      const { spec, status } = await api.get(name);
      if (!spec.members.some((member) => member.realm === realm)) {
        throw no(`${realm} is not a member of ${name}. Members: ${spec.members.map(({ realm }) => realm).join(", ")}.`);
      }
      // The subjects of the members' Realms, as the status reports them: people who approve may not read Realms.
      const subjects = new Map(
        (status?.members ?? []).flatMap(({ realm, subjects }) => subjects ? [[realm, subjects]] : []),
      );
      const digest = digestOf(name, spec, subjects);
      if (expected !== undefined && expected !== digest) {
        throw no(`The terms of ${name} have changed: their digest is ${digest}, not ${expected}. Read them again.`);
      }
      const isConfirmed = yes || withdraw || expected !== undefined;
      if (!isConfirmed && session.io.interactive) {
        session.raw(dump(canonicalTerms(name, spec, subjects), { lineWidth: 100 }).trimEnd());
      }
      await confirm(session, isConfirmed, {
        question: `Approve these terms for ${realm}?`,
        declined: "Nothing was approved.",
        effect: "An approval lends what the terms say",
      });
      const index = (spec.approvals ?? []).findIndex((approval) => approval.realm === realm);
      if (withdraw && index < 0) throw no(`${realm} has not approved ${name}.`);
      // It can be approved again, so scripts need no flag.
      await confirm(session, yes || !withdraw || !session.io.interactive, {
        question: `Withdraw the approval of ${realm}? Without enough approvals, guests of ${name} lose access.`,
        declined: "Nothing was withdrawn.",
        effect: "Without enough approvals guests lose access",
      });
      // Changes only the realm's own entry. The operation `test` fails if the list has changed meanwhile.
      const at = `/spec/approvals/${index}`;
      const operations = withdraw
        ? [{ op: "test", path: `${at}/realm`, value: realm }, { op: "remove", path: at }]
        : index >= 0
        ? [{ op: "test", path: `${at}/realm`, value: realm }, { op: "replace", path: at, value: { realm, digest } }]
        : spec.approvals === undefined
        ? [{ op: "add", path: "/spec/approvals", value: [{ realm, digest }] }]
        : [{ op: "add", path: "/spec/approvals/-", value: { realm, digest } }];
      const written = await api.patch(name, operations, { type: "json" });
      const stored = written.spec.approvals?.find((approval) => approval.realm === realm)?.digest;
      if (stored !== (withdraw ? undefined : digest)) {
        throw no(
          `${realm} ${
            stored === undefined ? "does not approve" : `approves ${stored} of`
          } ${name}: a webhook or another ` +
            "client changed the approval.",
        );
      }
      const terms = digestOf(name, written.spec, subjects);
      if (!withdraw && terms !== digest) {
        throw no(
          `The terms of ${name} changed meanwhile: their digest is ${terms}, and the approval of ${digest} is void. ` +
            "Read them and approve again.",
        );
      }
      if (session.data(written)) return;
      session.say(withdraw ? `${realm} no longer approves ${name}.` : `${realm} approves ${name}: ${digest}`);
    }));
