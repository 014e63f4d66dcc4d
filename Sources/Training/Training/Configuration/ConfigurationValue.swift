import Compression
import Distillation
import Foundation
import Imaging
import LLaVA
import Torch
import Yams

/// A value that a configuration file can hold.
protocol ConfigurationValue: Sendable, Equatable {
  /// What a reader is told to write.
  static var expectation: String { get }
  /// Reads a node; nil where it holds something else.
  init?(node: Node)
  /// The value as it is written.
  var node: Node { get }
}

extension ConfigurationValue where Self: LosslessStringConvertible {
  init?(node: Node) {
    guard let text = node.scalar?.string, let value = Self(text) else { return nil }
    self = value
  }

  var node: Node { Node(description) }
}

extension Int: ConfigurationValue { static var expectation: String { "a whole number" } }
extension Double: ConfigurationValue { static var expectation: String { "a number" } }
extension Bool: ConfigurationValue { static var expectation: String { "true or false" } }
extension String: ConfigurationValue { static var expectation: String { "text" } }

extension ConfigurationValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  static var expectation: String { allCases.map(\.rawValue).joined(separator: ", ") }

  init?(node: Node) {
    guard let text = node.scalar?.string, let value = Self(rawValue: text) else { return nil }
    self = value
  }

  var node: Node { Node(rawValue) }
}

extension TrainingConfiguration.Stage: ConfigurationValue {}
extension TrainingConfiguration.Distributed.Shard: ConfigurationValue {}
extension TrainingConfiguration.RatioDraws: ConfigurationValue {}
extension TrainingConfiguration.LossWeighting: ConfigurationValue {}
extension CurriculumPreset: ConfigurationValue {}
extension LayerRounding: ConfigurationValue {}
extension NestedTeacher: ConfigurationValue {}
extension NestedProgression: ConfigurationValue {}
extension Divergence: ConfigurationValue {}
extension DivergenceGuidance: ConfigurationValue {}
extension RatioCounts: ConfigurationValue {}
extension DivergencePositions: ConfigurationValue {}
extension TokenDraws: ConfigurationValue {}
extension LearningRateSchedule.Shape: ConfigurationValue {}
extension ParameterGroup: ConfigurationValue {}
extension PictureAugmentation.Change: ConfigurationValue {}
extension LoRAOptions.Target: ConfigurationValue {}
extension CompressionSemantics: ConfigurationValue {}

extension DType: ConfigurationValue {
  static var expectation: String { "f32, bf16 or f16" }

  init?(node: Node) {
    guard let text = node.scalar?.string, let dtype = DType(name: text), dtype.isFloatingPoint else { return nil }
    self = dtype
  }

  var node: Node { Node("\(self)") }
}

extension Ramp: ConfigurationValue {
  static var expectation: String { "a ratio such as 0.5, or 0.05:0.9 for one that changes from start to end" }

  init?(node: Node) {
    guard let text = node.scalar?.string, let ramp = Ramp(text) else { return nil }
    self = ramp
  }

  var node: Node { Node("\(self)") }
}

extension Optional: ConfigurationValue where Wrapped: ConfigurationValue {
  static var expectation: String { Wrapped.expectation + ", or nothing" }

  init?(node: Node) {
    if node.scalar.map({ ["", "~", "null"].contains($0.string) && $0.style != .doubleQuoted && $0.style != .singleQuoted })
      == true
    {
      self = .none
      return
    }
    guard let value = Wrapped(node: node) else { return nil }
    self = value
  }

  var node: Node { self?.node ?? Node("null", Tag(.null)) }
}

extension Array: ConfigurationValue where Element: ConfigurationValue {
  static var expectation: String { "a list, as in [a, b], of: \(Element.expectation)" }

  init?(node: Node) {
    guard let sequence = node.sequence else { return nil }
    let values = sequence.map(Element.init(node:))
    self = values.compactMap(\.self)
    if count < values.count { return nil }
  }

  var node: Node { .sequence(Node.Sequence(map(\.node), Tag(.seq), .flow)) }
}

extension DataSource: ConfigurationValue {
  static var expectation: String { "{file: a.json, images: folder, weight: 1}" }

  init?(node: Node) {
    guard let mapping = node.mapping else { return nil }
    self.init(file: "")
    for (name, value) in mapping {
      switch name.scalar?.string {
      case "file":
        guard let text = value.scalar?.string else { return nil }
        file = text
      case "images":
        guard let folder = String?(node: value) else { return nil }
        images = folder
      case "weight":
        guard let number = Double(node: value) else { return nil }
        weight = number
      default: return nil
      }
    }
  }

  var node: Node {
    let pairs = [("file", file.node), ("images", images.node), ("weight", weight.node)].map { (Node($0.0), $0.1) }
    return .mapping(Node.Mapping(pairs, Tag(.map), .flow))
  }
}
