import Foundation

/// A template that has been read: a subset of Jinja, with jinja2's semantics as transformers sets it up for chat templates.
///
/// That is: `trim_blocks`, `lstrip_blocks`, the loop controls, `{% generation %}`, `raise_exception`, `strftime_now`, a `tojson` that
/// escapes nothing, and a sandbox in which nothing can be changed but namespaces. What is not part of the subset is refused by name and line.
/// Rendering ends after bounded time and in bounded memory.
public struct Template: Sendable {
  private let body: [Statement]

  /// Reads a template.
  ///
  /// - Throws: `JinjaError` with the line.
  public init(_ source: String) throws(JinjaError) {
    do {
      body = try Parser.statements(of: source)
    } catch let error as JinjaError {
      throw error
    } catch {
      throw JinjaError(.syntax, "\(error)")
    }
  }

  /// Renders the template.
  ///
  /// - Parameters:
  ///   - variables: what names stand for at the start.
  ///   - now: the time that `strftime_now` tells, in the time zone of this machine.
  /// - Throws: `JinjaError` with the line at which rendering ended.
  public func render(_ variables: [String: Value], now: Date = Date()) throws(JinjaError) -> String {
    let machine = Machine(size: variables.values.reduce(0) { $0 + $1.size }, now: now.timeIntervalSince1970)
    defer { for scope in machine.entangled { scope.variables = [:] } }
    do {
      _ = try machine.run(body, Scope(parent: nil, variables))
    } catch var error as JinjaError {
      if error.line == 0 { error.line = machine.line }
      throw error
    } catch {
      throw JinjaError(.failed, "\(error)", line: machine.line)
    }
    return machine.output
  }
}

extension Value {
  /// About how many bytes the value holds.
  var size: Int {
    switch self {
    case .string(let text): 16 + text.utf8.count
    case .list(let values), .tuple(let values), .view(_, let values): values.reduce(16) { $0 + $1.size }
    case .dict(let dict): dict.keys.reduce(16) { $0 + $1.size } + dict.values.reduce(0) { $0 + $1.size }
    default: 16
    }
  }
}
