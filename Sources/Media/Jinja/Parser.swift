/// Makes statements of tokens.
///
/// Precedence and forms are those of jinja2's parser. Statements for inheritance and other files are refused: a chat template is one file.
struct Parser {
  /// Deeper nesting is refused, so that a hostile template cannot exhaust the stack.
  static let maximumDepth = 32
  /// Higher expressions are refused for the same reason; a chain of additions is as high as it is long.
  private static let maximumHeight = 100

  let tokens: [Token]
  var position = 0
  var depth = 0
  /// Loops around what is being parsed, as `break` and `continue` need one.
  var loops = 0
  /// Names of `varargs`, `kwargs` and `caller` that were read, one set for each macro around.
  var specials: [Set<String>] = [[]]

  static func statements(of source: String) throws -> [Statement] {
    var parser = Parser(tokens: try Lexer.tokens(of: source))
    let body = try parser.body(until: [])
    guard parser.current.kind == .end else { throw parser.unexpected() }
    return body
  }

  private init(tokens: [Token]) { self.tokens = tokens }

  var current: Token { tokens[position] }
  var next: Token { tokens[min(position + 1, tokens.count - 1)] }

  mutating func advance() { position = min(position + 1, tokens.count - 1) }

  func isName(_ name: String) -> Bool { current.kind == .name && current.text == name }
  func isMark(_ mark: String) -> Bool { current.kind == .mark && current.text == mark }

  mutating func skip(name: String) -> Bool {
    guard isName(name) else { return false }
    advance()
    return true
  }

  mutating func skip(mark: String) -> Bool {
    guard isMark(mark) else { return false }
    advance()
    return true
  }

  mutating func expect(mark: String) throws {
    if !skip(mark: mark) { throw unexpected("\"\(mark)\"") }
  }

  mutating func expect(_ kind: Token.Kind) throws {
    if current.kind != kind { throw unexpected(Token(kind: kind, text: "", line: 0).shown) }
    advance()
  }

  mutating func expectName() throws -> String {
    guard current.kind == .name else { throw unexpected("a name") }
    defer { advance() }
    return current.text
  }

  func unexpected(_ expected: String? = nil) -> JinjaError {
    let problem = "\(current.shown) stands where \(expected.map { "\($0) belongs" } ?? "it does not belong")"
    return JinjaError(.syntax, problem, line: current.line)
  }

  func make(_ form: Expression.Form, line: Int) throws -> Expression {
    let made = Expression(form, line: line)
    if made.height > Self.maximumHeight {
      throw JinjaError(.exceeded, "has an expression of more than \(Self.maximumHeight) parts in a row", line: line)
    }
    return made
  }

  /// Runs a part of the parser one level deeper.
  mutating func nested<T>(_ parse: (inout Parser) throws -> T) throws -> T {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.maximumDepth {
      throw JinjaError(.exceeded, "is nested more than \(Self.maximumDepth) deep", line: current.line)
    }
    return try parse(&self)
  }

  /// Statements up to a tag with one of these names, which is left to be read; the opening brackets of that tag are read.
  private mutating func body(until ends: Set<String>) throws -> [Statement] {
    var body: [Statement] = []
    while true {
      let line = current.line
      switch current.kind {
      case .data:
        body.append(Statement(.text(current.text), line: line))
        advance()
      case .variableBegin:
        advance()
        body.append(Statement(.output(try tupleOrExpression()), line: line))
        try expect(.variableEnd)
      case .blockBegin:
        advance()
        guard current.kind == .name else { throw unexpected("the name of a tag") }
        if ends.contains(current.text) { return body }
        body.append(try nested { try $0.statement() })
        try expect(.blockEnd)
      case .end where ends.isEmpty: return body
      case .end:
        throw JinjaError(
          .syntax, "the template ends where \(ends.sorted().map { "\"\($0)\"" }.joined(separator: " or ")) is missing", line: line
        )
      default: throw unexpected()
      }
    }
  }

  /// The rest of a tag and statements up to one of the ends, whose name is read and returned.
  private mutating func block(_ ends: String...) throws -> (body: [Statement], end: String) {
    _ = skip(mark: ":")
    try expect(.blockEnd)
    let body = try body(until: Set(ends))
    return (body, try expectName())
  }

  private mutating func statement() throws -> Statement {
    let line = current.line
    let name = try expectName()
    switch name {
    case "if": return Statement(try choice(), line: line)
    case "for": return Statement(try loop(), line: line)
    case "set": return Statement(try assignment(), line: line)
    case "macro": return Statement(try macro(), line: line)
    case "call": return Statement(try callBlock(), line: line)
    case "filter":
      let filters = try filterNames()
      return Statement(.filterBlock(filters, try block("endfilter").body), line: line)
    case "with": return Statement(try with(), line: line)
    case "print": return Statement(.output(try tupleOrExpression()), line: line)
    case "generation": return Statement(.generation(try block("endgeneration").body), line: line)
    case "break", "continue":
      if loops == 0 { throw JinjaError(.syntax, "\"\(name)\" stands outside of a loop", line: line) }
      return Statement(name == "break" ? .breakLoop : .continueLoop, line: line)
    case "block", "extends", "include", "import", "from", "autoescape", "do", "trans", "debug":
      throw JinjaError(.unsupported, "the tag \"\(name)\"", line: line)
    default: throw JinjaError(.syntax, "there is no tag \"\(name)\"", line: line)
    }
  }

  private mutating func choice() throws -> Statement.Form {
    var branches: [(condition: Expression, body: [Statement])] = []
    while true {
      let condition = try tupleOrExpression(allowsConditional: false)
      let (body, end) = try block("elif", "else", "endif")
      branches.append((condition, body))
      if end == "else" { return .choice(branches, otherwise: try block("endif").body) }
      if end == "endif" { return .choice(branches, otherwise: []) }
    }
  }

  private mutating func loop() throws -> Statement.Form {
    let target = try target(until: "in")
    guard skip(name: "in") else { throw unexpected("\"in\"") }
    let values = try tupleOrExpression(allowsConditional: false, until: "recursive")
    let condition = skip(name: "if") ? try expression() : nil
    let isRecursive = skip(name: "recursive")
    loops += 1
    let (body, end) = try block("endfor", "else")
    loops -= 1
    let otherwise = end == "else" ? try block("endfor").body : []
    return .loop(
      .init(
        target: target, values: values, condition: condition, isRecursive: isRecursive, body: body, otherwise: otherwise))
  }

  private mutating func assignment() throws -> Statement.Form {
    let target = try target(allowsMember: true)
    if skip(mark: "=") { return .set(target, try tupleOrExpression()) }
    let filters = isMark("|") ? try filterNames(isBehindBar: true) : []
    return .setBlock(target, filters, try block("endset").body)
  }

  /// Filters by name with arguments, as `filter` tags and `set` blocks have them.
  private mutating func filterNames(isBehindBar: Bool = false) throws -> [FilterCall] {
    if isBehindBar { try expect(mark: "|") }
    var filters = [try filterCall()]
    while skip(mark: "|") { filters.append(try filterCall()) }
    return filters
  }

  private mutating func with() throws -> Statement.Form {
    var values: [(target: Target, value: Expression)] = []
    while current.kind != .blockEnd {
      if !values.isEmpty { try expect(mark: ",") }
      let target = try target(isTuple: false)
      try expect(mark: "=")
      values.append((target, try expression()))
    }
    return .with(values, try block("endwith").body)
  }

  private mutating func macro() throws -> Statement.Form {
    let name = try expectName()
    var signature = try signature()
    let body = try macroBody("endmacro", &signature)
    return .macro(name, signature, body)
  }

  private mutating func callBlock() throws -> Statement.Form {
    var signature = isMark("(") ? try signature() : Statement.Signature()
    let line = current.line
    let call = try expression()
    guard case .call = call.form else { throw JinjaError(.syntax, "\"call\" needs a call", line: line) }
    let body = try macroBody("endcall", &signature)
    return .callBlock(call, signature, body)
  }

  private mutating func macroBody(_ end: String, _ signature: inout Statement.Signature) throws -> [Statement] {
    // `break` inside of a macro is not about the loop around the macro.
    let outer = loops
    loops = 0
    defer { loops = outer }
    specials.append([])
    let body = try block(end).body
    signature.takes = specials.removeLast()
    specials[specials.count - 1].formUnion(signature.takes)
    return body
  }

  private mutating func signature() throws -> Statement.Signature {
    var signature = Statement.Signature()
    try expect(mark: "(")
    while !isMark(")") {
      if !signature.names.isEmpty { try expect(mark: ",") }
      let line = current.line
      signature.names.append(try expectName())
      if skip(mark: "=") {
        signature.defaults.append(try expression())
      } else if !signature.defaults.isEmpty {
        throw JinjaError(.syntax, "a parameter without default stands behind one with a default", line: line)
      }
    }
    try expect(mark: ")")
    return signature
  }

  /// What is assigned to: a name, several with commas between, or a member of a namespace.
  private mutating func target(until end: String? = nil, allowsMember: Bool = false, isTuple: Bool = true) throws -> Target {
    var targets: [Target] = []
    var hasComma = false
    repeat {
      if !targets.isEmpty, end.map({ isName($0) }) ?? (isMark("=") || isMark(")")) { break }
      targets.append(try nested { try $0.singleTarget(allowsMember: allowsMember) })
      if !isTuple || !isMark(",") { break }
      hasComma = true
    } while skip(mark: ",")
    return hasComma ? .tuple(targets) : targets[0]
  }

  private mutating func singleTarget(allowsMember: Bool) throws -> Target {
    if skip(mark: "(") {
      let inner = try target(allowsMember: allowsMember)
      try expect(mark: ")")
      return inner
    }
    let line = current.line
    let name = try expectName()
    if ["true", "false", "none", "True", "False", "None"].contains(name) {
      throw JinjaError(.syntax, "nothing can be assigned to \"\(name)\"", line: line)
    }
    guard allowsMember, skip(mark: ".") else { return .name(name) }
    return .member(name, try expectName())
  }
}
