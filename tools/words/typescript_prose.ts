import ts from "typescript";
import { mask, type Prose, type Source } from "./prose.ts";

/** Comments of a TypeScript file, and its string literals that have more than one word. */
export function typescriptProse({ path, text }: Source): Prose[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const comments = new Map<number, ts.CommentRange>();
  const found: Prose[] = [];
  const visit = (node: ts.Node): void => {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode) return;
    if (isLiteral(node) && /\p{L}\s+\p{L}/u.test(node.text)) {
      const offset = node.getStart(file) + 1;
      found.push({ file: path, kind: "text", offset, text: mask(text.slice(offset, node.end - 1), code) });
    }
    const children = node.getChildren(file);
    for (const child of children) visit(child);
    if (children.length > 0) return;
    const leading = ts.getLeadingCommentRanges(text, node.getFullStart()) ?? [];
    for (const range of [...leading, ...ts.getTrailingCommentRanges(text, node.end) ?? []]) {
      comments.set(range.pos, range);
    }
  };
  visit(file);
  found.push(
    ...joined(text, [...comments.values()].sort((a, b) => a.pos - b.pos)).map(({ pos, end }) => ({
      file: path,
      kind: text.startsWith("/**", pos) ? "doc comment" as const : "comment" as const,
      offset: pos,
      text: withoutMarks(text.slice(pos, end)),
    })),
  );
  return found.sort((a, b) => a.offset - b.offset);
}

const code = /`[^`\n]*`|\$\{[^}]*\}|https?:\/\/\S+/g;

function isLiteral(node: ts.Node): node is ts.LiteralLikeNode {
  return ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateHead(node) ||
    ts.isTemplateMiddle(node) || ts.isTemplateTail(node);
}

/** Lines of `//` after each other are one comment. */
function joined(text: string, ranges: readonly ts.CommentRange[]): { pos: number; end: number }[] {
  const out: { pos: number; end: number }[] = [];
  for (const { pos, end } of ranges) {
    const last = out.at(-1);
    const follows = last && text.startsWith("//", pos) && text.startsWith("//", last.pos) &&
      /^\r?\n[ \t]*$/.test(text.slice(last.end, pos));
    if (follows) last.end = end;
    else out.push({ pos, end });
  }
  return out;
}

/** Takes out the marks of a comment, examples, links' targets and directives; lengths stay. */
function withoutMarks(comment: string): string {
  const marks = /^\/\*+|\*\/$|^[ \t]*\*(?!\/)|^[ \t]*\/\/+/gm;
  const directives = /^.*(?:deno-lint-ignore|deno-fmt-ignore|cspell:|@ts-|<reference|<amd-).*$/gm;
  const examples = /```[\s\S]*?```/g;
  const tags = /\{@link\s+[^}]*\}|^\s*@\w+(?:[ \t]+\{[^}]*\})?(?:(?<=@(?:param|template|typeParam)\b)[ \t]+\S+)?/gm;
  return [directives, examples, marks, tags, code].reduce((text, each) => mask(text, each), comment);
}
