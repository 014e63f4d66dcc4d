import Foundation
import TestModels
import TestSupport
import Testing
import Torch

@testable import Imaging
@testable import LLaVA

/// What runs and answers know their model by, from one process to the next.
@Suite struct ModelFingerprintTests {
  private func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  private func folder(_ scratch: Scratch, _ name: String = "model", seed: UInt64 = 1) throws -> URL {
    let url = scratch.url.appending(path: name)
    try TestModel.write(TestModel.tiny(seed: seed), to: url)
    return url
  }

  /// Files hold hashes of these bytes: a later field must be left out where it has the value that was meant before.
  @Test func encodingsStayWhatTheyAre() throws {
    var configuration = try LLaVAConfiguration.preset("tiny")
    // Of a set of ten there are three million orders.
    configuration.eosTokenIDs = [2, 300, 7, 11, 13, 100, 41, 99, 5, 3]
    configuration.text.ropeScaling = .linear(factor: 2)
    #expect(
      try encoded(configuration)
        == #"{"bosTokenID":1,"eosTokenIDs":[2,3,5,7,11,13,41,99,100,300],"imageAspect":"pad","imageTokenID":512,"padTokenID":0,"#
        + #""projector":{"bias":true,"layers":2},"text":{"attentionBias":false,"attentionOutputBias":false,"family":"llama","#
        + #""headDimension":16,"heads":4,"hiddenSize":64,"intermediateSize":128,"keyValueHeads":2,"layers":4,"maximumPositions":4096,"#
        + #""mlpBias":false,"rmsNormEpsilon":1e-05,"ropeScaling":{"linear":{"factor":2}},"ropeTheta":10000,"tiesEmbeddings":false,"#
        + #""vocabularySize":512},"vision":{"activation":"quick_gelu","channels":3,"featureLayer":-2,"featureSelection":"default","#
        + #""heads":2,"hiddenSize":32,"imageSize":56,"intermediateSize":64,"layerNormEpsilon":1e-05,"layers":3,"patchSize":14}}"#)
    #expect(
      try encoded(ImagePreprocessor(imageSize: 56, mean: [0, 0.5, 1], std: [1, 1, 1]))
        == #"{"aspect":"pad","filter":"bicubic","imageSize":56,"mean":[0,0.5,1],"normalizes":true,"rescaleFactor":0.00392156862745098,"#
        + #""resize":{"shortestEdge":{"_0":56}},"std":[1,1,1]}"#)
  }

  /// No field is forgotten.
  @Test func everyFieldIsEncoded() throws {
    func fields(_ value: Any) -> Set<String> { Set(Mirror(reflecting: value).children.compactMap(\.label)) }
    #expect(
      fields(try LLaVAConfiguration.preset("tiny")) == Set(LLaVAConfiguration.CodingKeys.allCases.map(\.stringValue)))
    // Errors alone name where the settings were read.
    #expect(
      fields(ImagePreprocessor(imageSize: 56)).subtracting(["name"])
        == Set(ImagePreprocessor.CodingKeys.allCases.map(\.stringValue)))
  }

  @Test func itChangesWithHowPicturesArePrepared() throws {
    let scratch = try Scratch()
    let url = try folder(scratch)
    let file = url.appending(path: "preprocessor_config.json")
    let original = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    var prints: [String: String] = [:]
    for (name, value) in [
      ("", 0), ("resample", 2), ("do_normalize", false), ("do_rescale", false), ("rescale_factor", 0.5),
      ("image_mean", [0.5, 0.5, 0.5]), ("image_std", [0.5, 0.5, 0.5]), ("size", ["shortest_edge": 60]),
      ("size ", ["height": 56, "width": 56]), ("processor_class", "Any"),
    ] as [(String, Any)] {
      var fields = original
      fields[name.trimmingCharacters(in: .whitespaces)] = value
      try JSONSerialization.data(withJSONObject: fields).write(to: file)
      prints[name] = try ModelFingerprint(LLaVAPipeline.load(from: url), tokenizer: url, .samples).surroundings
    }
    #expect(prints["processor_class"] == prints[""])
    #expect(Set(prints.values).count == prints.count - 1)
  }

  @Test func aSampleOfTheWeightsTellsModelsApart() throws {
    let scratch = try Scratch()
    let url = try folder(scratch)
    func print(_ pipeline: LLaVAPipeline, _ coverage: ModelFingerprint.Coverage = .samples) throws -> ModelFingerprint {
      try ModelFingerprint(pipeline, tokenizer: url, coverage)
    }
    let pipeline = try LLaVAPipeline.load(from: url)
    let first = try print(pipeline)
    // In the other layout, cut into shards, the model is the same.
    try CheckpointWriter.write(
      pipeline.model, to: scratch.url.appending(path: "original"), layout: .original, shardBytes: 100_000, companions: url)
    #expect(try print(LLaVAPipeline.load(from: scratch.url.appending(path: "original"))).weights == first.weights)
    var others = [
      try print(LLaVAPipeline.load(from: folder(scratch, "other", seed: 2))),
      try print(LLaVAPipeline.load(from: url, dtype: .bfloat16)),
      try print(pipeline, .everything),
    ]
    // Every weight by itself, changed as training changes it.
    for parameter in pipeline.model.parameters.parameters where parameter.group != .tower {
      let saved = try parameter.tensor * 1
      try inference { _ = try parameter.tensor.copyInPlace(from: saved + 1e-3) }
      others.append(try print(pipeline))
      try inference { _ = try parameter.tensor.copyInPlace(from: saved) }
    }
    #expect(Set((others + [first]).map(\.weights)).count == others.count + 1)
    #expect(try print(pipeline) == first)
  }

  @Test func aTokenizerFileThatCannotBeReadIsAnError() throws {
    let scratch = try Scratch()
    let url = try folder(scratch)
    let pipeline = try LLaVAPipeline.load(from: url)
    try FileManager.default.createDirectory(at: url.appending(path: "added_tokens.json"), withIntermediateDirectories: false)
    #expect(throws: (any Error).self) { try ModelFingerprint(pipeline, tokenizer: url, .samples) }
  }
}
