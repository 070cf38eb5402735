/**
 * Keystone reads every object that the API server stores: objects of all kinds that are watched or reviewed, with random
 * fields malformed, pass a real API server and then all projections and planners that read them.
 *
 * `KEYSTONE_STORED` is their number (default: as many as fit into 12 s), `KEYSTONE_SEED` the seed.
 */
import assert from "node:assert/strict";
import { isApiError, type KubernetesObject, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { documentOf, fileName } from "../../lib/kubernetes_apis/generate/groups.ts";
import { groups } from "../../src/api/client/all_groups.ts";
import { prepared } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { Generator, type Schemas } from "./stored/generator.ts";
import { type StoredKind, storedKindsOf } from "./stored/stored_kinds.ts";
import { Readers } from "./stored/readers.ts";

const wanted = Number(Deno.env.get("KEYSTONE_STORED") ?? 0);
const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
/** Time limit when `KEYSTONE_STORED` is not set. */
const sampleMs = 12_000;
const concurrency = 12;

async function schemasOf(rest: RestClient, document: string): Promise<Schemas> {
  const read = document.startsWith("/")
    ? await rest.performRequest({ method: "GET", path: document })
    : JSON.parse(await Deno.readTextFile(documentOf(groups.find((group) => fileName(group) === document))));
  return (read as { components: { schemas: Schemas } }).components.schemas;
}

/** Returns the object that the server would store; undefined if it refuses. */
async function stored(
  rest: RestClient,
  { path }: StoredKind,
  object: KubernetesObject,
  subresource?: "status",
): Promise<KubernetesObject | undefined> {
  try {
    const answer = await rest.performRequest({
      method: subresource ? "PUT" : "POST",
      path: subresource ? `${path}/${object.metadata!.name}/status` : path,
      querystring: new URLSearchParams({ dryRun: "All", fieldValidation: "Ignore" }),
      bodyJson: object,
    });
    return answer as unknown as KubernetesObject;
  } catch (error) {
    if (isApiError(error) && [400, 403, 409, 413, 422, 500].includes(error.code)) return undefined;
    throw error;
  }
}

Deno.test("malformed objects that the API server stores: Keystone reads all of them", async () => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  const { rest } = cluster;
  const grantee = `stored-${crypto.randomUUID().slice(0, 6)}`;
  const kinds = storedKindsOf(grantee);
  await new CoreV1Api(rest).namespaces.create({ metadata: { name: `guest-${grantee}` } });
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => new CoreV1Api(rest).namespaces.delete(`guest-${grantee}`));

  const documents = [...new Set(kinds.map(({ document }) => document))];
  const schemas = Object.assign({}, ...await Promise.all(documents.map((each) => schemasOf(rest, each)))) as Schemas;
  const plain: KubernetesObject[] = [];
  /** Created objects by kind, for kinds whose status is a separate write. */
  const present = new Map<StoredKind, KubernetesObject>();
  for (const kind of kinds) {
    const object = await stored(rest, kind, kind.plain);
    assert.ok(object, `the API server accepts a plain ${kind.plain.kind}`);
    plain.push(object);
    if (kind.status === undefined) continue;
    // Under another name, because the objects below are created under the plain one.
    const name = `${kind.plain.metadata!.name}-base`;
    const bodyJson = { ...kind.plain, metadata: { ...kind.plain.metadata, name } };
    const created = await rest.performRequest({ method: "POST", path: kind.path, bodyJson });
    const path = `${kind.path}/${name}`;
    cleanUp.defer(async () => void await rest.performRequest({ method: "DELETE", path }).catch(() => {}));
    const base = created as unknown as KubernetesObject;
    // Controllers write statuses too; either status will do.
    delete base.metadata!.resourceVersion;
    present.set(kind, base);
  }
  const readers = new Readers(grantee, plain);
  for (const object of plain) readers.read(object);

  const counts = new Map<string, { stored: number; refused: number }>(
    kinds.map(({ plain }) => [plain.kind!, { stored: 0, refused: 0 }]),
  );
  let total = 0;
  let next = 0;
  const endsAt = performance.now() + sampleMs;
  const goesOn = () => wanted > 0 ? total < wanted : performance.now() < endsAt;
  const failures: string[] = [];
  const work = async () => {
    while (goesOn() && failures.length === 0) {
      const index = next++;
      const kind = kinds[index % kinds.length]!;
      const generator = new Generator(schemas, seed + index);
      const base = present.get(kind);
      const withStatus = base !== undefined && Math.floor(index / kinds.length) % 2 === 1;
      const object = withStatus
        ? generator.odd({ ...base, status: kind.status }, kind.schema, ["status"])
        : generator.odd(kind.plain, kind.schema);
      const answer = await stored(rest, kind, object, withStatus ? "status" : undefined);
      const count = counts.get(kind.plain.kind!)!;
      if (!answer) {
        count.refused++;
        continue;
      }
      answer.metadata!.name = kind.plain.metadata!.name!;
      count.stored++;
      total++;
      try {
        readers.read(answer);
      } catch (error) {
        const told = error instanceof Error ? error.stack : String(error);
        failures.push(`KEYSTONE_SEED=${seed}, object ${index}: ${told}\n${JSON.stringify(answer).slice(0, 3000)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  const refused = [...counts.values()].reduce((sum, count) => sum + count.refused, 0);
  console.log(`seed ${seed}: ${total} stored objects were read, ${refused} were refused by the API server`);
  for (const [kind, { stored, refused }] of counts) console.log(`  ${kind}: ${stored} stored, ${refused} refused`);
  assert.deepEqual(failures, []);
  assert.ok(total >= (wanted || 300), `${total} objects`);
  for (const [kind, { stored }] of counts) assert.ok(stored > 0, `no malformed ${kind} was stored`);
});
