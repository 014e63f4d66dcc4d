import Basics
import LLaVA
import Torch

/// What `epic inspect` tells.
struct CheckpointReport: Encodable {
  struct Part: Encodable {
    let parameters: Int
    let bytes: Int
  }

  struct Vision: Encodable {
    let tower: String
    let hiddenSize, layers, computedLayers, heads, intermediateSize, patchSize: Int
    /// Nil where pictures keep their own sizes.
    let imageSize: Int?
    /// Of a picture; where pictures vary, of a square one of a megapixel that is alone.
    let visualTokens: Int
    /// Most of any picture, where pictures vary.
    let maxVisualTokens: Int?
  }

  struct Text: Encodable {
    let family: String
    let hiddenSize, layers, heads, keyValueHeads, headDimension, intermediateSize, vocabularySize, maxPositions: Int
    let ropeTheta: Double
  }

  let layout: String
  let family: String
  let projector: String
  let vision: Vision
  let language: Text
  let storedTypes: [String: Int]
  let groups: [String: Part]
  let parameters: Int
  let bytes: Int
  let ignoredTensors: [String]
  let towerFolder: String?
  /// Bytes of the weights alone, by precision.
  let memoryBytes: [String: Int]
  /// Bytes of cache for each token of context in bf16.
  let kvCacheBytesPerToken: Int
  /// How conversations are written down, or why they cannot be.
  let template: String
  /// What was found in the parts that were read whole.
  let verified: [String: String]?
  /// Of a checkpoint that a run has written.
  let run: RunCheckpointReport?
  private let verification: CheckpointVerification?

  enum CodingKeys: String, CodingKey {
    case layout, family, projector, vision, language = "text", storedTypes, groups, parameters, bytes, ignoredTensors,
      towerFolder,
      memoryBytes, kvCacheBytesPerToken, template, verified, run
  }

  init(
    _ reader: CheckpointReader, _ verification: CheckpointVerification? = nil, _ run: RunCheckpointReport? = nil
  ) throws {
    self.run = run
    let c = reader.configuration
    layout = reader.layout.rawValue
    family = c.family.type
    projector = c.projector.name
    vision = Vision(
      tower: c.windowed == nil ? c.vision.tower.rawValue : "windows", hiddenSize: c.vision.hiddenSize, layers: c.vision.layers,
      computedLayers: c.vision.computedLayers, heads: c.vision.heads,
      intermediateSize: c.vision.intermediateSize, patchSize: c.vision.patchSize,
      imageSize: c.windowed == nil ? c.vision.imageSize : nil,
      visualTokens: c.pictureLayout.count, maxVisualTokens: c.picturesVary ? c.mostTokens(isAlone: true) : nil)
    language = Text(
      family: c.text.family.rawValue, hiddenSize: c.text.hiddenSize, layers: c.text.layers, heads: c.text.heads,
      keyValueHeads: c.text.keyValueHeads, headDimension: c.text.headDimension, intermediateSize: c.text.intermediateSize,
      vocabularySize: c.text.vocabularySize, maxPositions: c.text.maximumPositions, ropeTheta: c.text.ropeTheta)
    var groups: [String: Part] = [:]
    var storedTypes: [String: Int] = [:]
    for weight in try reader.weights {
      let group = String(weight.name.prefix { $0 != "." })
      let old = groups[group]
      groups[group] = Part(parameters: (old?.parameters ?? 0) + weight.count, bytes: (old?.bytes ?? 0) + weight.byteCount)
      storedTypes[weight.storedType, default: 0] += weight.count
    }
    self.groups = groups
    self.storedTypes = storedTypes
    parameters = groups.values.reduce(0) { $0 + $1.parameters }
    bytes = groups.values.reduce(0) { $0 + $1.bytes }
    ignoredTensors = reader.ignored
    towerFolder = reader.towerFolder?.path
    memoryBytes = ["float32": 4 * parameters, "bfloat16": 2 * parameters]
    kvCacheBytesPerToken = 2 * 2 * c.text.layers * c.text.keyValueHeads * c.text.headDimension
    do {
      template = try TemplateChoice(reader.folder, c).text
    } catch {
      template = "unusable: " + oneLine(describe(error))
    }
    self.verification = verification
    verified = verification.map { Dictionary(uniqueKeysWithValues: $0.parts.map { ($0.name, $0.found ?? "") }) }
  }

  /// The report for people, a line for each thing.
  var text: String {
    let most = vision.maxVisualTokens.map { " of a picture of a megapixel, at most \($0)" } ?? ""
    var lines: [(String, String)] = [
      ("family", family), ("layout", layout == "hf" ? "Hugging Face" : "original LLaVA"),
      (
        "vision",
        "\(vision.layers) layers (\(vision.computedLayers) computed), \(vision.hiddenSize) wide, \(vision.heads) heads, images of \(vision.imageSize.map { "\($0) pixels" } ?? "their own sizes") in patches of \(vision.patchSize): \(vision.visualTokens) visual tokens\(most)"
      ),
      ("projector", projector),
      (
        "text",
        "\(language.family), \(language.layers) layers, \(language.hiddenSize) wide, \(language.heads) heads, \(language.keyValueHeads) key-value heads, vocabulary \(language.vocabularySize), context \(language.maxPositions)"
      ),
      ("stored as", storedTypes.sorted { $0.key < $1.key }.map(\.key).joined(separator: ", ") + ", " + formatBytes(bytes)),
    ]
    for name in groups.keys.sorted() {
      lines.append((name, formatCount(groups[name]?.parameters ?? 0) + " parameters"))
    }
    lines.append(("all", formatCount(parameters) + " parameters"))
    let memory = memoryBytes.sorted { $0.value < $1.value }.map { "\(formatBytes($0.value)) in \($0.key)" }.joined(
      separator: ", ")
    lines.append(("memory", memory + ", and \(formatBytes(kvCacheBytesPerToken)) of cache for each token in bfloat16"))
    if verification == nil { lines.append(("template", template)) }
    if let towerFolder { lines.append(("tower in", towerFolder)) }
    if !ignoredTensors.isEmpty { lines.append(("ignored", "\(ignoredTensors.count) tensors that are no weights of the model")) }
    lines += run?.lines ?? []
    for part in verification?.parts ?? [] { lines.append((part.name, part.found ?? "")) }
    return lines.map { "\($0.0) ".leftAligned(12) + $0.1 }.joined(separator: "\n")
  }
}
