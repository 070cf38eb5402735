import { blank, mask, type Prose, type Source } from "./prose.ts";

/** Keys of YAML whose values people read. */
const described = /^(\s*(?:- )?)(description|summary|message|title|help):\s+(?=\S)/;

/** Comments after `#` of a YAML file, script or Containerfile, and values that people read, continued lines included. */
export function hashProse({ path, text }: Source): Prose {
  const isYaml = /\.ya?ml$/.test(path);
  let indent: number | undefined;
  const lines = text.split("\n").map((line) => {
    const own = /^\s*/.exec(line)![0].length;
    if (indent !== undefined && /\S/.test(line) && own <= indent) indent = undefined;
    const comment = /(?:^|\s)#+\s/.exec(line);
    const value = isYaml ? described.exec(line) : null;
    if (value) {
      indent = value[1]!.length;
      return blank(value[0]) + line.slice(value[0].length);
    }
    if (indent !== undefined) return line;
    if (!comment) return blank(line);
    const start = comment.index + comment[0].length;
    return blank(line.slice(0, start)) + line.slice(start);
  });
  const code = /`[^`\n]*`|\{\{.*?\}\}|https?:\/\/\S+/g;
  return { file: path, kind: "comment", offset: 0, text: mask(lines.join("\n"), code) };
}
