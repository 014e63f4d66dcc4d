import ArgumentParser
import Basics
import Foundation
import Imaging
import Language
import LLaVA
import Training

/// Data sets.
struct DataCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Make and look after training data.", subcommands: [DataMake.self, DataCheck.self])
}

/// A whole data set read without training.
struct DataCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Read a whole data set, count what is in it, and name every sample that cannot be trained on.",
    discussion: """
      Without --model or --tokenizer, records and images are checked and lengths are in words. Exit code 0 where the data set can be \
      read, bad samples or not; with --strict, 1 where there is a bad one.

      Example: epic data check --file train.json --images pictures --model llava-hf/llava-1.5-7b-hf
      """)

  @Option(
    help: ArgumentHelp(
      "Records: a JSON list, one JSON object in each line, or tar shards (one, a folder, or 'shard-{0000..0009}.tar').",
      valueName: "file"))
  var file: String

  @Option(help: ArgumentHelp("Folder that image paths begin at; the file's own unless given, none for shards.", valueName: "dir"))
  var images: String?

  @Option(help: .model("Count tokens as this checkpoint does"))
  var model: ModelSource?

  @Option(help: .model("Count tokens with this tokenizer, without a model"))
  var tokenizer: ModelSource?

  @Option(
    help:
      "Conversation template: checkpoint (the model's own), vicuna_v1, plain, llama_2 or chatml; the model's, else vicuna_v1, unless given."
  )
  var template: String?

  @Option(help: "Tokens that one image becomes; the model's, else 576, unless given.")
  var visualTokens: Int?

  @Option(help: "Most tokens of a sample, visual tokens included; longer ones are bad.")
  var maxLength = 2048

  @Option(help: "Threads that read and decode; all cores unless given.")
  var workers: Int?

  @OptionGroup var frames: FrameOptions

  @Flag(help: "End with exit code 1 where there is a bad sample.")
  var strict = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if model != nil, tokenizer != nil { throw ValidationError("--model and --tokenizer exclude each other; give one of them") }
    if let template {
      try checkOption("--template") { try ConversationTemplate.requireKnown(template) }
      if template == ConversationTemplate.ownName, model == nil {
        throw ValidationError("--template \(template) is the model's own; it needs --model")
      }
    }
    for (name, value, range) in [
      ("max-length", maxLength, 2...1 << 20), ("workers", workers ?? 1, 1...1024),
      ("visual-tokens", visualTokens ?? 1, 1...1 << 20),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
  }

  func run() async throws {
    var options = TextOptions(maximumLength: maxLength)
    if let template, model == nil { options.template = try ConversationTemplate.named(template) }
    let folder = try await self.tokenizer?.folder(.tokenizer)
    var tokenizer = try folder.map { try TokenizerLoader.load(from: $0) }
    var tokens: (@Sendable (Int, Int, Bool) -> Int)?
    var preparedTokens: (@Sendable (PictureShape) -> Int)?
    var media = MediaReading(videos: VideoReading(nil, sampling: frames.sampling), audio: AudioReading(nil))
    if let model {
      let checkpoint = try await model.folder()
      let reader = try CheckpointReader(checkpoint)
      let configuration = reader.configuration
      media = MediaReading(
        configuration, videos: try reader.videoPreparer().map { VideoReading($0, sampling: frames.sampling) })
      options.visualTokens = configuration.pictureLayout.count
      if configuration.picturesVary {
        tokens = { configuration.layout(of: configuration.shape(height: $0, width: $1, isAlone: $2)).count }
        preparedTokens = { configuration.layout(of: $0).count }
      }
      let own = try configuration.framed(TokenizerLoader.load(from: checkpoint))
      let choice = try TemplateChoice(checkpoint, configuration, named: template, tokenizer: own)
      printNote(choice.template.trainingNote)
      (options.template, tokenizer) = (choice.template, own)
    }
    if let visualTokens { (options.visualTokens, tokens) = (visualTokens, nil) }

    let progress = ProgressLine()
    defer { progress.clear() }
    let dataset = try InstructionDataset(
      contentsOf: URL(fileURLWithPath: file), images: images.map { URL(fileURLWithPath: $0, isDirectory: true) }
    ) { share in progress.show { "reading \(file): \(Int(share * 100)) %" } }
    let check = try DatasetCheck(
      dataset, tokenizer: tokenizer, options: options, tokens: tokens, media: media, preparedTokens: preparedTokens)
    let rate = ProgressRate(total: dataset.count)
    let report = try check.run(workers: workers ?? ProcessInfo.processInfo.activeProcessorCount) { done, bad in
      progress.show { "\(rate.text(done)), \(formatCount(bad)) bad" }
    }
    progress.clear()
    if json {
      try printJSON(Measured(report: report))
    } else {
      try printLine(DataCheckText(report).text)
    }
    if strict, !report.bad.isEmpty {
      let counts = "\(formatCount(report.bad.count)) of \(formatCount(report.samples)) samples"
      throw InputError(description: "\(file): \(counts) cannot be trained on, and --strict allows none")
    }
  }
}

/// A report with what it cost to make.
private struct Measured: Encodable {
  private enum CodingKeys: CodingKey { case peakMemoryBytes }

  let report: DatasetReport

  func encode(to encoder: any Encoder) throws {
    try report.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(peakMemoryBytes(), forKey: .peakMemoryBytes)
  }
}
