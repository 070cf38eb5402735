/**
 * Follows one parameter of a function through the code, like a reader who wants to know its use:
 *
 *     deno run -A tests/support/walk.ts [FILE FUNCTION PARAMETER]   (default: planGuest's world)
 *
 * - It follows the parameter, and each object made from it: a literal that contains it, or that contains objects read
 *   from it, and the result of a call that gets it. It doesn't follow a part alone, such as `world.realm`, nor a text, a
 *   number or a boolean, or a list of these.
 * - A file is entered by each call of a function in it that gets a followed value, in the order of the calls: calls in a
 *   call's arguments come before it, and calls in its body after it. Closures are walked where they are written. A
 *   function that was already walked is entered again by a later call, but not walked again.
 * - A call of a member that only an interface declares, as of a table's rows, ends there: the code doesn't say which
 *   function it is. Calls of `lib` and of packages don't count.
 * - Entries of the same file in a row count once. A turn back is an entry of a file that was entered and left before.
 */
import ts from "typescript";
import { relative } from "node:path";

const root = new URL("../..", import.meta.url).pathname;

/** An entry of a file, and the first function that is called in it. */
export interface WalkEntry {
  file: string;
  by: string;
}

export interface Walk {
  /** Entries in order; no two consecutive ones are of the same file. */
  entries: readonly WalkEntry[];
  /** Number of different files. */
  files: number;
  turnsBack: number;
}

/** The part of a followed value that a value contains. */
enum Held {
  Nothing,
  Part,
  Whole,
}

type Callable = ts.FunctionLikeDeclaration & { body: ts.Node };

/** Walks the parameter of a top-level function of `file`, a path from the project's root. */
export function walk(file: string, functionName: string, parameter: string, under = root): Walk {
  const program = ts.createProgram([`${under}${file}`], {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    strict: true,
    lib: ["lib.esnext.d.ts"],
    types: [],
  });
  const start = program.getSourceFile(`${under}${file}`)?.statements.filter(ts.isFunctionDeclaration)
    .find(({ name }) => name?.text === functionName);
  const index = start?.parameters.findIndex(({ name }) => ts.isIdentifier(name) && name.text === parameter) ?? -1;
  if (!start?.body || index < 0) throw new Error(`${file} has no function ${functionName}(${parameter}).`);
  const trail = new Trail(program.getTypeChecker(), under);
  trail.enter(
    start as Callable,
    functionName,
    start.parameters.map((_, at) => at === index ? Held.Whole : Held.Nothing),
  );
  const files = new Set(trail.entries.map((entry) => entry.file)).size;
  return { entries: trail.entries, files, turnsBack: trail.entries.length - files };
}

class Trail {
  readonly entries: WalkEntry[] = [];
  readonly #held = new Map<ts.Symbol, Held>();
  readonly #walked = new Set<ts.Node>();

  constructor(readonly checker: ts.TypeChecker, readonly under: string) {}

  /** Enters the file of a function that gets these values in its parameters, and walks the function. */
  enter(callee: Callable, by: string, given: readonly Held[]): void {
    const file = relative(this.under, callee.getSourceFile().fileName);
    if (!file.startsWith("src/")) return;
    if (this.entries.at(-1)?.file !== file) this.entries.push({ file, by });
    if (this.#walked.has(callee)) return;
    this.#walked.add(callee);
    for (const [index, { name }] of callee.parameters.entries()) this.#hold(name, given[index] ?? Held.Nothing);
    this.#visit(callee.body);
  }

  #hold(name: ts.BindingName, held: Held): void {
    if (held === Held.Nothing) return;
    if (ts.isIdentifier(name)) {
      const symbol = this.checker.getSymbolAtLocation(name);
      if (symbol && this.#isObject(name)) this.#held.set(symbol, held);
      return;
    }
    for (const element of name.elements) {
      // A rest element contains the remaining object; other elements are read from it.
      if (ts.isBindingElement(element)) this.#hold(element.name, element.dotDotDotToken ? held : Held.Part);
    }
  }

  #isObject(node: ts.Node): boolean {
    const { Object: object, TypeParameter, Any, Unknown } = ts.TypeFlags;
    const isObject = (type: ts.Type): boolean =>
      type.isUnionOrIntersection()
        ? type.types.some(isObject)
        : this.checker.isArrayType(type)
        ? this.checker.getTypeArguments(type as ts.TypeReference).some(isObject)
        : (type.flags & (object | TypeParameter | Any | Unknown)) !== 0;
    return isObject(this.checker.getTypeAtLocation(node));
  }

  #ofSymbol = (symbol: ts.Symbol | undefined): Held => (symbol && this.#held.get(symbol)) ?? Held.Nothing;

  #most = (nodes: Iterable<ts.Node>): Held => Math.max(Held.Nothing, ...[...nodes].map((node) => this.#holds(node)));

  /** Returns the followed content of an expression's value. */
  #holds(node: ts.Node): Held {
    if (ts.isIdentifier(node)) return this.#ofSymbol(this.checker.getSymbolAtLocation(node));
    if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) {
      return this.#isObject(node) ? Math.min(Held.Part, this.#holds(node.expression)) : Held.Nothing;
    }
    if (ts.isObjectLiteralExpression(node)) {
      return this.#most(node.properties) === Held.Nothing ? Held.Nothing : Held.Whole;
    }
    if (ts.isShorthandPropertyAssignment(node)) {
      return this.#ofSymbol(this.checker.getShorthandAssignmentValueSymbol(node));
    }
    if (ts.isPropertyAssignment(node)) return this.#holds(node.initializer);
    if (ts.isSpreadAssignment(node) || ts.isSpreadElement(node)) return this.#holds(node.expression);
    if (ts.isArrayLiteralExpression(node)) return this.#most(node.elements);
    if (ts.isConditionalExpression(node)) return this.#most([node.whenTrue, node.whenFalse]);
    if (ts.isBinaryExpression(node)) return this.#isObject(node) ? this.#most([node.left, node.right]) : Held.Nothing;
    if (
      ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isAsExpression(node) ||
      ts.isSatisfiesExpression(node)
    ) return this.#holds(node.expression);
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      if (!this.#isObject(node)) return Held.Nothing;
      const returned = [...node.arguments ?? []].flatMap((argument) => [argument, ...returnedBy(argument)]);
      const most = this.#most(returned);
      if (most === Held.Whole) return most;
      // A part's elements in another order, or a subset of them, are a part.
      return ts.isPropertyAccessExpression(node.expression) ? this.#holds(node.expression.expression) : Held.Nothing;
    }
    return Held.Nothing;
  }

  #visit(node: ts.Node): void {
    if (ts.isTypeNode(node)) return;
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) return this.#call(node);
    if (ts.isForOfStatement(node) && ts.isVariableDeclarationList(node.initializer)) {
      const held = this.#holds(node.expression);
      for (const { name } of node.initializer.declarations) this.#hold(name, held);
    }
    ts.forEachChild(node, (child) => this.#visit(child));
    if (ts.isVariableDeclaration(node) && node.initializer) this.#hold(node.name, this.#holds(node.initializer));
  }

  #call(node: ts.CallExpression | ts.NewExpression): void {
    const { expression } = node;
    const args = [...node.arguments ?? []];
    this.#visit(expression);
    const receiver = ts.isPropertyAccessExpression(expression) ? this.#holds(expression.expression) : Held.Nothing;
    for (const argument of args) {
      // A closure over the elements of a followed value gets them.
      if (ts.isArrowFunction(argument)) { for (const { name } of argument.parameters) this.#hold(name, receiver); }
      this.#visit(argument);
      const named = receiver === Held.Whole && ts.isIdentifier(argument) ? this.#declared(argument) : undefined;
      if (named) this.enter(named, argument.getText(), [receiver]);
    }
    const given = args.map((argument) => this.#holds(argument));
    if (receiver !== Held.Whole && !given.includes(Held.Whole)) return;
    const callee = ts.isNewExpression(node)
      ? this.checker.getResolvedSignature(node)?.declaration
      : this.#declared(expression);
    if (callee && isCallable(callee)) this.enter(callee, expression.getText(), given);
  }

  /** Returns the function of a name or a member, if it has a body. */
  #declared(node: ts.Expression): Callable | undefined {
    let symbol = this.checker.getSymbolAtLocation(ts.isPropertyAccessExpression(node) ? node.name : node);
    if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = this.checker.getAliasedSymbol(symbol);
    const declaration = symbol?.valueDeclaration;
    const value = declaration && (ts.isVariableDeclaration(declaration) || ts.isPropertyAssignment(declaration))
      ? declaration.initializer
      : declaration;
    return value && isCallable(value) ? value : undefined;
  }
}

/** Returns the expressions that a closure returns, directly or at the end of its block. */
function returnedBy(node: ts.Node): ts.Node[] {
  if (!ts.isArrowFunction(node)) return [];
  if (!ts.isBlock(node.body)) return [node.body];
  return node.body.statements.flatMap((each) => ts.isReturnStatement(each) && each.expression ? each.expression : []);
}

const isCallable = (node: ts.Node): node is Callable =>
  (ts.isFunctionDeclaration(node) || ts.isArrowFunction(node) || ts.isFunctionExpression(node) ||
    ts.isMethodDeclaration(node) || ts.isConstructorDeclaration(node)) && node.body !== undefined;

if (import.meta.main) {
  const [file = "src/core/guest/plan_guest.ts", name = "planGuest", parameter = "world", under = root] = Deno.args;
  const { entries, files, turnsBack } = walk(file, name, parameter, under);
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    console.log(`${String(index + 1).padStart(3)} ${seen.has(entry.file) ? "<-" : "  "} ${entry.file} ${entry.by}`);
    seen.add(entry.file);
  }
  console.log(`${entries.length} entries, ${files} files, ${turnsBack} turns back`);
}
