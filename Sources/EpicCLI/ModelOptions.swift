import ArgumentParser
import Distributed
import Foundation
import Imaging
import Language
import LLaVA
import Torch

extension DType: ExpressibleByArgument {
  /// Reads `f32`, `bf16`, `f16` or the full name.
  public init?(argument: String) {
    guard let dtype = DType(name: argument), dtype.isFloatingPoint else { return nil }
    self = dtype
  }

  /// What weights can be, of all that tensors can be.
  public static var allValueStrings: [String] { ["f32", "bf16", "f16"] }
}

/// Where computing happens.
struct DeviceOptions: ParsableArguments {
  @Option(help: "Where to compute: cpu, cuda or cuda:N.")
  var device = "cpu"

  @Option(help: "CPU threads; all cores unless given.")
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 || threads > 4096 { throw ValidationError("--threads is \(threads), expected 1...4096") }
  }

  /// The device, with the number of threads set.
  ///
  /// - Parameter world: the processes that work together, of which each takes a GPU of its own.
  func prepare(_ world: Communicator = .alone) throws -> Device {
    if let threads { Runtime.threads = threads }
    return try checkOption("--device") { try Device(name: world.deviceName(device)) }
  }
}

/// The same, and the precision of the weights.
struct PrecisionOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Precision of the weights.", valueName: "dtype"))
  var dtype: DType?

  @OptionGroup var place: DeviceOptions

  /// The device, with the number of threads set.
  func prepare(_ world: Communicator = .alone) throws -> Device { try place.prepare(world) }
}

/// The same, and in how many bits weights are held.
struct ComputeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Hold the decoder's weights in 8 or 4 bits; as they are stored unless given.", valueName: "n"))
  var bits: Int?

  @OptionGroup var weights: PrecisionOptions

  var dtype: DType? { weights.dtype }
  var device: String { weights.place.device }
  var threads: Int? { weights.place.threads }

  func validate() throws { _ = try checkOption("--bits") { try quantization } }

  /// In how many bits weights are held, where that is asked for.
  var quantization: QuantizationOptions? {
    get throws { try bits.map { try QuantizationOptions(bits: $0) } }
  }

  /// The device, with the number of threads set.
  func prepare(_ world: Communicator = .alone) throws -> Device { try weights.prepare(world) }
}

/// How exactly keys and values are remembered.
struct CacheOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Remember keys and values in 8 bits, for long videos and many sequences; as they are computed unless given.", valueName: "8"
    ))
  var kvCacheBits: Int?

  func validate() throws {
    if let kvCacheBits, kvCacheBits != 8 { throw ValidationError("--kv-cache-bits is \(kvCacheBits), expected 8") }
  }

  var precision: CachePrecision { kvCacheBits == nil ? .asModel : .eightBits }
}

/// Which model, and how it is talked to.
struct ModelOptions: ParsableArguments {
  @Option(help: .model("The checkpoint"))
  var model: ModelSource

  @Option(
    help:
      "Conversation template: checkpoint (the model's own), vicuna_v1, plain, llama_2 or chatml; the model's own unless given.")
  var template: String?

  @OptionGroup var compute: ComputeOptions
  @OptionGroup var cache: CacheOptions

  func validate() throws {
    if let template { _ = try checkOption("--template") { try ConversationTemplate.requireKnown(template) } }
  }

  /// Reads the model from its folder.
  func load(from folder: URL) throws -> LLaVAPipeline {
    let device = try compute.prepare()
    return try waiting(for: "reading weights") {
      try LLaVAPipeline.load(
        from: folder, dtype: compute.dtype, device: device, template: template, quantization: compute.quantization,
        cache: cache.precision)
    }
  }
}

/// Which pictures, and how they are read.
struct ImageOptions: ParsableArguments {
  enum Exif: String, ExpressibleByArgument, CaseIterable { case honour, ignore }

  @Option(parsing: .upToNextOption, help: ArgumentHelp("Pictures: JPEG, PNG, WebP or GIF.", valueName: "file"))
  var image: [String] = []

  @Option(help: "Turn pictures as their EXIF orientation says (honour), or not, as in training (ignore).")
  var exif = Exif.honour

  @Option(help: "Refuse pictures of more pixels than this.")
  var maxPixels = ImageLimits.standard.maximumPixels

  func validate() throws {
    if maxPixels < 1 { throw ValidationError("--max-pixels is \(maxPixels), expected 1 or more") }
  }

  func load() throws -> [RGBImage] {
    let limits = ImageLimits(maximumPixels: maxPixels)
    return try image.map {
      try RGBImage(contentsOf: URL(fileURLWithPath: $0), orientation: exif == .honour ? .honoured : .ignored, limits: limits)
    }
  }
}

/// How answers are drawn.
struct SamplingOptions: ParsableArguments {
  @Option(help: "Longest answer, in tokens.")
  var maxTokens = 512

  @Option(help: "0 always takes the most likely token; higher is more varied.")
  var temperature = 0.0

  @Option(help: "Draw from the likeliest tokens whose probabilities add up to this.")
  var topP = 1.0

  @Option(help: "Draw from this many likeliest tokens; 0 for all.")
  var topK = 0

  @Option(help: "Above 1, tokens that occurred already become less likely.")
  var repetitionPenalty = 1.0

  @Option(help: "Where random numbers start.")
  var seed: UInt64 = 0

  func validate() throws {
    do {
      try options.validate()
    } catch let error as GenerationError {
      throw ValidationError("--" + error.description)
    }
  }

  var options: GenerationOptions {
    var options = GenerationOptions()
    options.maximumNewTokens = maxTokens
    options.temperature = temperature
    options.topP = topP
    options.topK = topK
    options.repetitionPenalty = repetitionPenalty
    options.seed = seed
    return options
  }
}
