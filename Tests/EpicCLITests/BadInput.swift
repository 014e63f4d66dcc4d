import Foundation
import LLaVA
import TestModels
import Testing
import Torch

/// A way to go wrong: what is changed in a good workplace, what is asked of the program, and what it must say.
struct BadInput: Sendable, CustomTestStringConvertible {
  let name: String
  /// Exit code: 2 for wrong usage, 1 for wrong input.
  let code: Int32
  /// What the line must name.
  let says: [String]
  let arguments: @Sendable (URL) -> [String]
  var input = Data()
  /// What is changed in a workplace; nothing where nil.
  var change: (@Sendable (URL) throws -> Void)?

  var testDescription: String { name }

  /// A change of one field of the checkpoint's configuration, nil removing it; "text_config.x" for fields inside.
  static func field(_ path: String, _ value: (any Sendable)?, _ says: String...) -> BadInput {
    BadInput(
      name: "\(path) = \(value.map { "\($0)" } ?? "absent")", code: 1,
      says: ["config.json", path.split(separator: ".").last.map(String.init) ?? path] + says, arguments: inspect,
      change: { try edit($0.appending(path: "model/config.json"), path, value) })
  }

  /// A file of the checkpoint replaced by other bytes, or removed.
  static func file(_ path: String, _ content: Data?, _ says: String..., run: @escaping @Sendable (URL) -> [String] = generate)
    -> BadInput
  {
    BadInput(
      name: "\(path): \(content.map { "\($0.count) bytes" } ?? "absent")", code: 1, says: says, arguments: run,
      change: { folder in
        let url = folder.appending(path: path)
        try? FileManager.default.removeItem(at: url)
        if let content { try content.write(to: url) }
      })
  }

  /// A change of the checkpoint's weights.
  static func weights(
    _ name: String, _ says: String..., place: String = "model.safetensors",
    change: @escaping @Sendable (inout [String: Tensor]) throws -> Void
  ) -> BadInput {
    BadInput(
      name: "weights: \(name)", code: 1, says: [place] + says, arguments: generate,
      change: { folder in
        let url = folder.appending(path: "model/model.safetensors")
        let file = try SafetensorsFile(url)
        var tensors = try file.entries.mapValues { try file.tensor($0.name) }
        try change(&tensors)
        try SafetensorsWriter.write(tensors.sorted { $0.key < $1.key }.map { SafetensorsItem($0.key, $0.value) }, to: url)
      })
  }

  /// Wrong usage of `generate`.
  static func usage(_ arguments: [String], _ says: String...) -> BadInput {
    BadInput(
      name: arguments.joined(separator: " "), code: 2, says: says,
      arguments: { ["generate", "--model", $0.appending(path: "model").path, "--prompt", "hi"] + arguments })
  }

  /// Wrong usage of `curriculum`, which must not leave a picture either.
  static func curriculum(_ arguments: [String], _ says: String...) -> BadInput {
    BadInput(
      name: "curriculum " + arguments.joined(separator: " "), code: 2, says: says,
      arguments: { ["curriculum", "--svg", $0.appending(path: "a.svg").path] + arguments })
  }

  /// A picture that cannot be read.
  static func picture(_ name: String, _ content: Data?, _ says: String..., flags: [String] = []) -> BadInput {
    BadInput(
      name: "picture \(name)", code: 1, says: [name] + says,
      arguments: { generate($0) + ["--image", $0.appending(path: name).path] + flags },
      change: { if let content { try content.write(to: $0.appending(path: name)) } })
  }

  static let inspect: @Sendable (URL) -> [String] = { ["inspect", $0.appending(path: "model").path] }
  static let generate: @Sendable (URL) -> [String] = { generate($0, model: "model") }

  static func generate(_ place: URL, model: String) -> [String] {
    ["generate", "--model", place.appending(path: model).path, "--prompt", "hi", "--max-tokens", "2"]
  }

  /// A change that `inspect --verify` finds.
  static func verify(_ name: String, _ says: String..., change: @escaping @Sendable (URL) throws -> Void) -> BadInput {
    BadInput(name: "verify: \(name)", code: 1, says: says, arguments: { inspect($0) + ["--verify"] }, change: change)
  }

  static func edit(_ url: URL, _ path: String, _ value: (any Sendable)?) throws {
    var root = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
    let parts = path.split(separator: ".").map(String.init)
    if parts.count == 2 {
      var inner = root[parts[0]] as? [String: Any] ?? [:]
      inner[parts[1]] = value
      root[parts[0]] = inner
    } else {
      root[path] = value
    }
    try JSONSerialization.data(withJSONObject: root).write(to: url)
  }
}
