import Foundation
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// What we write, read by transformers and tokenizers in a Python environment that the test makes itself.
@Suite struct TransformersTests {
  /// A line that the Python program prints.
  struct Finding: Decodable {
    struct Prompt: Decodable {
      let name: String
      let shapesAgree: Bool
      let logitsDifference: Double?
      let largestLogit: Double?
      let greedyAgrees: Bool?
      let droppedDifference: Double?
      let droppedGreedyAgrees: Bool?
    }
    let name: String
    let error: String?
    let complaints: [String]?
    let dtype: String?
    let prompts: [Prompt]?
    let texts: Int?
    let differing: [String]?
  }

  @Test func transformersLoadsWhatWeWriteAndGivesTheSameLogits() async throws {
    let scratch = try Scratch()
    var manifest = TransformersManifest()
    for (seed, variant) in TransformersVariant.all.enumerated() {
      manifest.checkpoints.append(try variant.write(to: scratch.url, seed: UInt64(seed)))
    }
    manifest.checkpoints += try TransformersGolden().write(to: scratch.url)
    manifest.tokenizers = [try byteTokenizer(scratch.url)]
    let url = scratch.url.appending(path: "manifest.json")
    try JSONEncoder().encode(manifest).write(to: url)

    let output: String
    do {
      output = try await PythonProgram.run("compare_with_transformers.py", [url.path])
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with transformers: \(reason)")
      try Test.cancel("\(reason)")
    }
    let findings = try output.split(separator: "\n").map { try JSONDecoder().decode(Finding.self, from: Data($0.utf8)) }
    #expect(findings.map(\.name) == manifest.checkpoints.map(\.name) + manifest.tokenizers.map(\.name))
    for (checkpoint, finding) in zip(manifest.checkpoints, findings) { try check(finding, checkpoint) }
    for (tokenizer, finding) in zip(manifest.tokenizers, findings.suffix(manifest.tokenizers.count)) {
      #expect(finding.error == nil, "\(tokenizer.name)")
      #expect(finding.texts == tokenizer.texts.count)
      #expect(finding.differing == [], "\(tokenizer.name)")
    }
  }

  @Test(arguments: [("image_token_index", 1 << 40), ("pad_token_id", Int.max)])
  func tokensFarOutsideTheVocabularyAreRefused(_ field: String, _ id: Int) throws {
    let scratch = try Scratch()
    var configuration = try LLaVAConfiguration.preset("tiny")
    if field == "pad_token_id" { configuration.padTokenID = id } else { configuration.imageTokenID = id }
    let model = try LLaVAModel.random(configuration)
    let folder = scratch.url.appending(path: "model")
    let error = try #require(throws: ConfigurationError.self) { try CheckpointWriter.write(model, to: folder) }
    #expect(error.description.contains(field) && error.description.contains("\(id)"))
    #expect(!FileManager.default.fileExists(atPath: folder.path))
  }

  private func check(_ finding: Finding, _ checkpoint: TransformersManifest.Checkpoint) throws {
    #expect(finding.error == nil, "\(checkpoint.name)")
    #expect(finding.complaints == [], "\(checkpoint.name)")
    #expect(finding.dtype == checkpoint.dtype, "\(checkpoint.name)")
    let prompts = finding.prompts ?? []
    #expect(finding.error != nil || prompts.map(\.name) == checkpoint.prompts.map(\.name), "\(checkpoint.name)")
    for (found, prompt) in zip(prompts, checkpoint.prompts) {
      #expect(found.shapesAgree, "\(checkpoint.name), \(prompt.name)")
      #expect((found.logitsDifference ?? .infinity) < 1e-4, "\(checkpoint.name), \(prompt.name)")
      // Logits that are all near zero would agree whatever the weights.
      #expect((found.largestLogit ?? 0) > 0.01, "\(checkpoint.name), \(prompt.name)")
      #expect(found.greedyAgrees == (prompt.greedy.isEmpty ? nil : true), "\(checkpoint.name), \(prompt.name)")
      if prompt.drop != nil {
        #expect((found.droppedDifference ?? .infinity) < 1e-4, "\(checkpoint.name), \(prompt.name)")
        #expect(found.droppedGreedyAgrees == true, "\(checkpoint.name), \(prompt.name)")
      }
    }
    if let saved = checkpoint.saved { try checkSaved(saved, checkpoint) }
  }

  /// What transformers writes of a model is the model that it read.
  private func checkSaved(_ saved: String, _ checkpoint: TransformersManifest.Checkpoint) throws {
    let readers = try [checkpoint.folder, saved].map { try CheckpointReader(URL(filePath: $0)) }
    #expect(readers[0].configuration == readers[1].configuration, "\(checkpoint.name)")
    let models = try readers.map { try LLaVAModel(readers[0].configuration, from: $0) }
    #expect(models[0].parameters.parameters.count == models[1].parameters.parameters.count, "\(checkpoint.name)")
    for (own, other) in zip(models[0].parameters.parameters, models[1].parameters.parameters) {
      #expect(
        try own.name == other.name && (own.tensor - other.tensor).abs().max().item() == 0, "\(checkpoint.name), \(own.name)")
    }
  }

  private func byteTokenizer(_ scratch: URL) throws -> TransformersManifest.TokenizerFile {
    let folder = scratch.appending(path: "tokenizer")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    try ByteTokenizer.write(to: folder)
    let tokenizer = try TokenizerLoader.load(from: folder)
    let points = try Tensor.randint(0..<0x2_0000, [2000], generator: Generator(seed: 1)).array(Int.self)
    let drawn = stride(from: 0, to: points.count, by: 10).map { start in
      String(String.UnicodeScalarView(points[start..<start + 10].compactMap { Unicode.Scalar(UInt32($0)) }))
    }
    let texts =
      ["", " ", "  two  spaces ", "USER: <image>\nWhat is this? ASSISTANT:", "<s>a</s><pad>", "naïve 汉字 😀\u{0}\t\r\n", "</s"]
      + drawn
    return TransformersManifest.TokenizerFile(
      name: "byte tokenizer", file: folder.appending(path: "tokenizer.json").path,
      texts: try texts.map { text in
        let ids = try tokenizer.encode(text, addSpecialTokens: false)
        return TransformersManifest.Text(
          text: text, ids: ids, idsWithSpecial: try tokenizer.encode(text, addSpecialTokens: true),
          decoded: try tokenizer.decode(ids, skipSpecialTokens: true))
      })
  }
}
