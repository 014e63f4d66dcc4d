import ChatProtocol
import Foundation
import Serving
import Training

@testable import EpicCLI

/// A name that users type or read: a flag, a key of a run, a field of a request or of its answer, a metric, a field of JSON that commands
/// write.
struct PublicName: Hashable, CustomStringConvertible {
  enum Surface: String, CaseIterable {
    case flag, key, request, response, metric, json

    /// Whether names of this surface are written so.
    func allows(_ text: String) -> Bool {
      switch self {
      case .flag, .key: text.wholeMatch(of: /[a-z][a-z0-9]*(?:-[a-z0-9]+)*/) != nil
      case .request, .response, .metric: text.wholeMatch(of: /[a-z][a-z0-9]*(?:_[a-z0-9]+)*/) != nil
      case .json: text.wholeMatch(of: /[a-z][a-z0-9]*(?:[A-Z][A-Za-z0-9]*)*/) != nil
      }
    }
  }

  let surface: Surface
  let text: String

  init(_ surface: Surface, _ text: some StringProtocol) { (self.surface, self.text) = (surface, String(text)) }

  var description: String { "\(surface) \(text)" }

  /// Its words in lower case: `kv`, `cache`, `bits` of `kv-cache-bits`, `kv_cache_bits` and `kvCacheBits`.
  var words: [String] {
    text.matches(of: /[A-Z]+s?(?![a-z])|[A-Z]?[a-z0-9]+/).map { $0.output.lowercased() }
  }

  /// Flags of all commands, keys of runs, fields of requests, metrics, and fields of `metrics.jsonl`.
  static func documented() throws -> Set<PublicName> {
    var found: Set<PublicName> = []
    for argument in try CommandDescription.program().all.flatMap(\.ownArguments) {
      for name in argument.names ?? [] { found.insert(PublicName(.flag, name.text.drop { $0 == "-" })) }
    }
    for part in ConfigurationKey.all.flatMap({ $0.path.split(separator: ".") }) { found.insert(PublicName(.key, part)) }
    for part in RequestField.all.flatMap({ $0.path.replacing("[]", with: "").split(separator: ".") }) {
      found.insert(PublicName(.request, part))
    }
    for name in ServedMetric.descriptions.keys where name.hasPrefix("epic:") {
      found.insert(PublicName(.metric, name.dropFirst("epic:".count)))
    }
    for field in StepRecord.fields { found.insert(PublicName(.json, field.name)) }
    return found
  }

  /// Names of all fields of a JSON value, those inside of it included; what stands below `data` has names that are no fields.
  static func fields(of json: Any, _ surface: Surface, data: Set<String>) -> Set<PublicName> {
    switch json {
    case let list as [Any]: list.reduce(into: []) { $0.formUnion(fields(of: $1, surface, data: data)) }
    case let object as [String: Any]:
      object.reduce(into: []) { found, field in
        found.insert(PublicName(surface, field.key))
        if data.contains(field.key) {
          for inner in (field.value as? [String: Any] ?? [:]).values { found.formUnion(fields(of: inner, surface, data: data)) }
        } else {
          found.formUnion(fields(of: field.value, surface, data: data))
        }
      }
    default: []
    }
  }
}
