import Basics
import Foundation
import Language
import LLaVA
import Torch

/// What `epic inspect --verify` finds when it reads all that a model needs to answer: each part with what it is, or what is wrong with it.
struct CheckpointVerification: Encodable {
  struct Part: Encodable {
    let name: String
    /// What was found, where nothing is wrong.
    let found: String?
    /// One sentence on what is wrong.
    let fault: String?

    init(_ name: String, _ check: () throws -> String) {
      self.name = name
      do {
        (found, fault) = (try check(), nil)
      } catch {
        (found, fault) = (nil, oneLine(describe(error)))
      }
    }
  }

  let parts: [Part]

  init(_ reader: CheckpointReader) {
    let configuration = reader.configuration
    let tokenizer = Result { try TokenizerLoader.load(from: reader.folder) }
    parts = [
      Part("weights") {
        _ = try LLaVAModel(configuration, from: VerifyingParameters(reader: reader))
        return "all there, of the right shape, finite"
      },
      Part("tokenizer") {
        let tokenizer = try tokenizer.get()
        let (size, rows) = (tokenizer.vocabularySize, configuration.text.vocabularySize)
        if size > rows {
          throw InputError(
            description:
              "\(reader.folder.path): the tokenizer has \(formatCount(size)) ids, the model \(formatCount(rows)) embeddings; "
              + "they do not belong together")
        }
        return "\(formatCount(size)) ids of \(formatCount(rows)) embeddings"
      },
      Part("template") {
        // Where there is no tokenizer, its own part says so.
        let tokenizer = try? tokenizer.get()
        let choice = try TemplateChoice(reader.folder, configuration, tokenizer: tokenizer)
        // Whether answers can be found in what it writes.
        if let tokenizer { _ = try SampleEncoder(template: choice.template, tokenizer: tokenizer) }
        return choice.text
      },
      Part("processor") {
        let processor = try LLaVAPipeline.preprocessor(reader)
        if let resolution = processor.resolution {
          return "pictures of \(resolution.minimumPixels) to \(resolution.maximumPixels) pixels, in their own proportions"
        }
        let tiles = processor.tiling == nil ? "" : ", whole and in tiles"
        return "pictures of \(processor.imageSize) by \(processor.imageSize) pixels\(tiles)"
      },
    ]
  }

  var faults: [Part] { parts.filter { $0.fault != nil } }

}

/// Reads and checks each weight and keeps an empty stand-in, so that a model larger than memory can be verified.
private struct VerifyingParameters: ParameterSource {
  let reader: CheckpointReader

  func contains(_ name: String) -> Bool { reader.contains(name) }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    let tensor = try reader.parameter(name, shape: shape)
    return try Tensor.zeros([1], tensor.dtype).expanded(shape.isEmpty ? [1] : shape)
  }
}
