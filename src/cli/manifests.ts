/** Reads objects as kubectl does: files, folders, URLs or standard input; YAML with several documents, JSON, lists. */
import { type Command, Option } from "commander";
import { usageError } from "./exit.ts";
import type { Io } from "./io.ts";
import { documentsIn, type InputDocument, UnreadableDocument } from "./manifest_stream.ts";
import { noteText } from "./session.ts";

export type Manifest = Record<string, unknown> & {
  apiVersion: string;
  kind: string;
  metadata?: { name?: string; generateName?: string; namespace?: string };
};

/** Adds the flags `-f`, as often as there are paths, and `-R`. */
export const withFilenames = (command: Command, what: string): Command =>
  command
    .addOption(
      new Option("-f, --filename <paths>", `${what}: files, folders or URLs; - for standard input`)
        .argParser<string[]>((value, before) => [...before ?? [], ...value.split(",").filter((path) => path !== "")])
        .makeOptionMandatory(),
    )
    .option("-R, --recursive", "folders of the folders in -f too");

const places = new WeakMap<Manifest, string>();

/** Returns the place of an object in the input, such as `web.yaml, document 2 (line 14)`. */
export const placeOf = (manifest: Manifest): string => places.get(manifest) ?? "the input";

/**
 * Returns kubectl's error for an object with another namespace than the one that `-n` sets; undefined if there is
 * none. For objects of a kind with namespaces only: kubectl ignores the field of others.
 */
export const namespaceConflict = ({ metadata }: Manifest, namespace: string): string | undefined =>
  !metadata?.namespace || metadata.namespace === namespace
    ? undefined
    : `the namespace from the provided object "${metadata.namespace}" does not match the namespace "${namespace}". ` +
      `You must pass '--namespace=${metadata.namespace}' to perform this operation.`;

/**
 * Returns the objects of all paths in the order in which kubectl would apply them, with the items of lists instead of
 * the lists. Writes a warning for each key that a mapping has twice.
 */
export async function manifestsIn(
  io: Io,
  paths: readonly string[],
  { recursive = false }: { recursive?: boolean } = {},
): Promise<Manifest[]> {
  if (paths.filter((path) => path === "-").length > 1) {
    throw usageError("-f - is set more than once. Standard input can be read only once.");
  }
  const manifests: Manifest[] = [];
  for (const path of paths) {
    for (const { source, text } of await sourcesOf(io, path, recursive)) {
      for (const document of documentsOf(source, text)) {
        const place = `${source}, document ${document.number} (line ${document.line})`;
        for (const { key, line } of document.duplicates) {
          io.err(
            noteText(
              io,
              `Warning: ${source}, line ${line}: the key ${
                JSON.stringify(key)
              } is set twice. The last one applies, as in kubectl.`,
            ),
          );
        }
        for (const object of objectsOf(document.value, place)) {
          places.set(object, place);
          manifests.push(object);
        }
      }
    }
  }
  if (manifests.length === 0) {
    throw usageError(`-f ${paths.join(" -f ")} has no objects. Pass a file with at least one Kubernetes object.`);
  }
  return manifests;
}

async function sourcesOf(io: Io, path: string, recursive: boolean): Promise<{ source: string; text: string }[]> {
  const reading = async (source: string, text: () => Promise<string>) => {
    try {
      return { source, text: await text() };
    } catch (error) {
      throw usageError(`-f ${source} can't be read: ${error instanceof Error ? error.message : error}.`);
    }
  };
  if (path === "-") return [await reading("standard input", () => io.stdin())];
  if (/^https?:\/\//.test(path)) return [await reading(path, () => downloaded(path))];
  let files: string[];
  try {
    files = await io.inputFiles(path, recursive);
  } catch (error) {
    throw usageError(
      error instanceof Deno.errors.NotFound
        ? `-f ${path}: the path ${JSON.stringify(path)} does not exist. Correct it.`
        : `-f ${path} can't be read: ${error instanceof Error ? error.message : error}.`,
    );
  }
  if (files.length === 0) {
    throw usageError(
      `-f ${path} is a folder without files that end with .json, .yaml or .yml. Pass a folder with such files` +
        `${recursive ? "" : ", or -R for its folders"}.`,
    );
  }
  return await Promise.all(files.map((file) => reading(file, () => io.readTextFile(file))));
}

/** Downloads a file in up to three attempts, as kubectl does. */
async function downloaded(url: string): Promise<string> {
  for (let attempt = 1;; attempt++) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
      if (response.ok) return await response.text();
      await response.body?.cancel();
      if (response.status < 500 || attempt === 3) throw new Refused(`the server answered ${response.status}`);
    } catch (error) {
      if (error instanceof Refused || attempt === 3) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

class Refused extends Error {}

function documentsOf(source: string, text: string): InputDocument[] {
  try {
    return documentsIn(text);
  } catch (error) {
    if (!(error instanceof UnreadableDocument)) throw error;
    throw usageError(`${source}, document ${error.number} can't be read: ${error.message}. Correct it.`);
  }
}

type Fields = { [key: string]: unknown };
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns the objects of a document: itself, or the items of a list of any kind. */
function objectsOf(value: unknown, place: string): Manifest[] {
  if (!isFields(value)) {
    throw usageError(
      `${place} is ${Array.isArray(value) ? "a list" : JSON.stringify(value).slice(0, 80)}. It must be a Kubernetes ` +
        `object: a mapping with apiVersion and kind.`,
    );
  }
  if (!("items" in value)) return [objectOf(value, place)];
  const { apiVersion, kind, items } = value;
  if (typeof kind !== "string" || kind === "") throw usageError(`${place}: kind is not set. Add it.`);
  if (items !== null && !Array.isArray(items)) throw usageError(`${place}: items of ${kind} must be a list.`);
  return (items ?? []).map((item: unknown) => {
    if (!isFields(item)) throw usageError(`${place}: items of ${kind} must be objects.`);
    if (Array.isArray(item.items)) {
      throw usageError(`${place}: a list in a list can't be applied by kubectl either. Move its items up.`);
    }
    // Items of a typed list, such as a ConfigMapList, may leave out their kind.
    const typed = !item.kind && !item.apiVersion;
    return objectOf(typed ? { ...item, apiVersion, kind: kind.replace(/List$/, "") } : item, place);
  });
}

function objectOf(object: Fields, place: string): Manifest {
  const { kind, apiVersion, metadata } = object;
  if (typeof kind !== "string" || kind === "") throw usageError(`${place}: kind is not set. Add it.`);
  if (typeof apiVersion !== "string" || apiVersion === "") {
    throw usageError(`${place}: apiVersion of ${kind} is not set. Add it.`);
  }
  const wrong = misplaced(metadata);
  if (wrong !== undefined) throw usageError(`${place}: ${kind} metadata${wrong}.`);
  return object as Manifest;
}

/** Returns the problem of metadata that kubectl can't decode either, such as a label with the value `yes`. */
function misplaced(metadata: unknown): string | undefined {
  if (metadata === undefined || metadata === null) return undefined;
  if (!isFields(metadata)) return " must be a mapping";
  for (const field of ["name", "generateName", "namespace", "uid", "resourceVersion"]) {
    const value = metadata[field];
    if (value !== undefined && value !== null && typeof value !== "string") {
      return `.${field} is ${JSON.stringify(value)}. It must be a string: quote it`;
    }
  }
  for (const field of ["labels", "annotations"]) {
    const value = metadata[field];
    if (value === undefined || value === null) continue;
    if (!isFields(value)) return `.${field} must be a mapping`;
    for (const [key, each] of Object.entries(value)) {
      if (each !== null && typeof each !== "string") {
        return `.${field}[${JSON.stringify(key)}] is ${JSON.stringify(each)}. It must be a string: quote it`;
      }
    }
  }
  return undefined;
}
