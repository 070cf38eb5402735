/** Reads objects from files: YAML with one or more documents, JSON, lists. */
import { loadAll } from "js-yaml";
import { no, usageError } from "./exit.ts";
import type { Io } from "./io.ts";

export type Manifest = Record<string, unknown> & { metadata?: { name?: string; namespace?: string } };

/** Returns the objects of a file (`-` is standard input), with the items of lists and without empty documents. */
export async function manifestsIn(io: Io, path: string): Promise<Manifest[]> {
  let text: string;
  try {
    text = path === "-" ? await io.stdin() : await io.readTextFile(path);
  } catch (error) {
    throw usageError(`-f ${path} can't be read: ${error instanceof Error ? error.message : error}.`);
  }
  let documents: unknown[];
  try {
    documents = loadAll(text);
  } catch (error) {
    const said = error instanceof Error ? error.message.split("\n")[0] : error;
    throw usageError(`${path} is not YAML: ${said}.`);
  }
  const objects = documents.filter((each) => each !== null && each !== undefined).flatMap((document): unknown[] => {
    const { kind, items } = document as { kind?: unknown; items?: unknown };
    return typeof kind === "string" && kind.endsWith("List") && Array.isArray(items) ? items : [document];
  });
  for (const object of objects) {
    if (typeof object !== "object" || object === null || Array.isArray(object)) {
      throw no(`${path} has ${JSON.stringify(object).slice(0, 80)}, which is not a Kubernetes object.`);
    }
  }
  if (objects.length === 0) throw no(`${path} has no objects.`);
  return objects as Manifest[];
}
