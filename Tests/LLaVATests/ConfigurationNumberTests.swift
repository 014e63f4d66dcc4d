import Foundation
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Numbers in configurations that make no model: refused with file and field, never a trap, a hang or a NaN.
@Suite struct ConfigurationNumberTests {
  /// Weights that take no memory.
  private struct Counter: ParameterSource {
    func contains(_ name: String) -> Bool { true }
    func parameter(_ name: String, shape: [Int]) throws -> Tensor { try Tensor.zeros([1]).expanded(shape) }
  }

  /// Everything that follows from a configuration by arithmetic.
  private func use(_ configuration: LLaVAConfiguration) throws {
    let (vision, text) = (configuration.vision, configuration.text)
    #expect(vision.tokens > 0 && vision.patches < 1 << 40 && (0...vision.layers).contains(vision.computedLayers))
    #expect(text.heads % text.keyValueHeads == 0 && text.headDimension > 0)
    if text.headDimension <= 1 << 12 {
      for length in [0, text.maximumPositions, 1 << 30] {
        let frequencies = RotaryEmbedding.frequencies(text, length: length)
        #expect(frequencies.allSatisfy { Float($0).isFinite && $0 >= 0 }, "\(text)")
      }
    }
    if text.layers + vision.layers < 20 { _ = try LLaVAModel(configuration, from: Counter()) }
  }

  private static let numbers: [any Sendable] = [
    0, 1, 2, 3, 5, 7, 64, -1, -3, 1 << 20, 1 << 21, 1 << 31, 1 << 62, Int.max, Int.min, 0.5, 1e-300, 1e18, 1e300, -0.0, 1.5,
    9_223_372_036_854_775_808.0, NSNull(), "7", [1, 2], [String: Int](), true,
  ]

  @Test(arguments: CheckpointLayout.allCases) func aModelOrOneSentence(_ layout: CheckpointLayout) throws {
    let seed: UInt64 = 17
    print("numbers of config.json, \(layout.rawValue): seed \(seed)")
    var random = SplitMix(seed: seed)
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "model")
    var configuration = try LLaVAConfiguration.preset("tiny")
    configuration.text.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 64)
    try CheckpointWriter.write(LLaVAModel.random(configuration), to: folder, layout: layout)
    let files = ["config.json"] + (layout == .original ? ["vision_tower/config.json"] : [])
    var places: [(file: String, path: [String])] = []
    var contents: [String: [String: Any]] = [:]
    for file in files {
      let fields = try #require(
        JSONSerialization.jsonObject(with: Data(contentsOf: folder.appending(path: file))) as? [String: Any])
      contents[file] = fields
      func visit(_ fields: [String: Any], _ path: [String]) {
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
          if let inner = value as? [String: Any] { visit(inner, path + [name]) }
          places.append((file, path + [name]))
        }
      }
      visit(fields, [])
    }
    func changed(_ fields: [String: Any], _ path: ArraySlice<String>, _ value: Any) -> [String: Any] {
      guard let name = path.first else { return fields }
      var fields = fields
      fields[name] = path.count == 1 ? value : changed(fields[name] as? [String: Any] ?? [:], path.dropFirst(), value)
      return fields
    }
    var refused = 0
    for _ in 0..<600 {
      var now = contents
      for _ in 0...random.next() % 2 {
        let place = places[Int(random.next() % UInt64(places.count))]
        let value = Self.numbers[Int(random.next() % UInt64(Self.numbers.count))]
        now[place.file] = changed(now[place.file] ?? [:], place.path[...], value)
      }
      for (file, fields) in now { try JSONSerialization.data(withJSONObject: fields).write(to: folder.appending(path: file)) }
      do {
        try use(ConfigurationReader(folder).read())
      } catch let error as ConfigurationError {
        #expect(!error.description.contains("\n"))
        refused += 1
      }
    }
    #expect(refused > 100 && refused < 600)
  }

  @Test func aCallersNumbersAreCheckedToo() throws {
    for change in [
      { $0.vision.patchSize = 0 }, { $0.vision.heads = 0 }, { $0.text.heads = -4 }, { $0.text.keyValueHeads = 0 },
      { $0.text.hiddenSize = 1 << 62 }, { $0.projector.layers = 0 }, { $0.text.ropeTheta = .nan },
      { $0.text.ropeScaling = .linear(factor: 0) }, { $0.text.rmsNormEpsilon = .infinity }, { $0.vision.imageSize = .max },
      { $0.vision.featureLayer = .max }, { $0.text.layers = -1 }, { $0.vision.layerNormEpsilon = -1 },
    ] as [(inout LLaVAConfiguration) -> Void] {
      var configuration = try LLaVAConfiguration.preset("tiny")
      change(&configuration)
      _ = (configuration.vision.tokens, configuration.vision.computedLayers, configuration.vision.grid)
      #expect(throws: ConfigurationError.self) { try LLaVAModel(configuration, from: Counter()) }
    }
  }

  /// transformers has nothing to blend there: low frequencies are divided, all others stay.
  @Test func llama3FactorsThatAreEqualOrSwapped() throws {
    // The first frequency is 1, and here its wavelength lies exactly where both factors change.
    let exact = try #require((1...1000).first { Double($0) / (Double($0) / (2 * .pi)) == 2 * .pi })
    let edge = Double(exact) / (2 * .pi)
    for (low, high, original) in [(edge, edge, exact), (2, 2, 64), (4, 1, 64), (1, 0.5, 1 << 20)] {
      var text = try LLaVAConfiguration.preset("tiny").text
      let before = RotaryEmbedding.frequencies(text, length: 0)
      text.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions: original)
      let expected = before.map { 2 * .pi / $0 > Double(original) / low ? $0 / 8 : $0 }
      #expect(RotaryEmbedding.frequencies(text, length: 0) == expected, "\(low) \(high)")
    }
  }

  @Test func weightsOfOtherTypes() throws {
    let scratch = try Scratch()
    let model = try TestModel.tiny(seed: 2)
    func write(_ name: String, _ change: (Tensor) throws -> Tensor) throws -> URL {
      let folder = scratch.url.appending(path: name)
      try TestModel.write(model, to: folder)
      let file = try SafetensorsFile(folder.appending(path: "model.safetensors"))
      let items = try file.entries.keys.sorted().map { SafetensorsItem($0, try change(file.tensor($0))) }
      try SafetensorsWriter.write(items, to: folder.appending(path: "model.safetensors"))
      return folder
    }
    let wide = try LLaVAModel.load(from: write("f64") { try $0.to(.float64) })
    #expect(wide.dtype == .float32)
    let name = "decoder.layers.1.mlp.up_proj.weight"
    #expect(try wide.parameters[name]?.tensor.array(Float.self) == model.parameters[name]?.tensor.array(Float.self))
    for dtype in [DType.int8, .int64, .bool] {
      let folder = try write(dtype.rawValue) { try $0.to(dtype) }
      let error = #expect(throws: TensorFileError.self) { try LLaVAModel.load(from: folder, dtype: .float32) }
      #expect(error?.description.contains("model.safetensors: tensor") == true)
    }
  }
}
