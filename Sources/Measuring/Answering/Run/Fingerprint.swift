import Evaluation
import Foundation
import LLaVA

/// A number that changes with what it is made from: FNV-1a over 64-bit words, the same on every machine.
struct Fingerprint {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  /// 16 hexadecimal digits.
  var text: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private mutating func mix(_ word: UInt64) {
    // The shift brings high bits back down, which a multiplication alone moves upwards only.
    state = (state ^ word) &* 0x0000_0100_0000_01b3
    state ^= state >> 29
  }

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let words = bytes.count / 8
    for index in 0..<words { mix(bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)) }
    for byte in bytes[(8 * words)...] { mix(UInt64(byte)) }
    mix(UInt64(bytes.count))
  }

  mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }
}

extension Fingerprint {
  /// A model with its weights to the last bit, and all that stands between it and text and pictures.
  ///
  /// - Parameter folder: where its tokenizer's files lie.
  static func of(_ pipeline: LLaVAPipeline, folder: URL) throws -> String {
    var print = Fingerprint()
    print.add("\(pipeline.model.configuration)")
    print.add("\(pipeline.template)")
    let pictures = pipeline.preprocessor
    print.add("\(pictures.imageSize) \(pictures.aspect) \(pictures.mean) \(pictures.std) \(pictures.rescaleFactor)")
    for name in ["tokenizer.json", "tokenizer.model", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"] {
      guard let data = try? Data(contentsOf: folder.appending(path: name)) else { continue }
      print.add(name)
      data.withUnsafeBytes { print.add($0) }
    }
    for parameter in pipeline.model.parameters.parameters {
      print.add("\(parameter.name) \(parameter.tensor.dtype) \(parameter.tensor.shape)")
      try parameter.tensor.withBytes { print.add($0) }
    }
    return print.text
  }

  /// Questions as they are put, and how long answers may be; the pictures by their names.
  static func of(_ benchmark: Benchmark, maximumNewTokens: Int, seed: UInt64) -> String {
    var print = Fingerprint()
    print.add("\(benchmark.definition.name) \(benchmark.split) \(benchmark.prompt) \(maximumNewTokens) \(seed)")
    for question in benchmark.questions {
      print.add(question.id)
      print.add(question.prompt)
      print.add(question.image.map(name) ?? "")
    }
    return print.text
  }

  /// What a picture is called wherever its folder lies.
  static func name(_ image: QuestionImage) -> String { String(image.key.split(separator: "/").last ?? "") }

  /// Where the random choices of a picture's tokens start.
  static func seed(of image: QuestionImage, _ seed: UInt64) -> UInt64 {
    var print = Fingerprint()
    print.add(name(image))
    return seed &+ print.state
  }
}
