import ArgumentParser
import Basics
import Foundation
import Language
import LLaVA

/// One prompt, one answer.
struct Generate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer one prompt about pictures, videos or sound.",
    discussion: """
      The prompt goes into the conversation template; pictures, videos and sounds stand in front of it unless it says <image>, <video> or
      <audio> where they belong.
      The answer appears as it is written; --json prints one object at the end in its place.
      With --keep or --ratio the decoder reads the pictures with fewer visual tokens; --overlay shows which.

      Example: epic generate --model llava-hf/llava-1.5-7b-hf --image photo.jpg --prompt 'What is on the table?' --keep 64
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var images: ImageOptions
  @OptionGroup var videos: VideoOptions
  @OptionGroup var sounds: AudioOptions
  @OptionGroup var compression: CompressionOptions
  @OptionGroup var sampling: SamplingOptions

  @Option(help: "The question; `-` reads it from standard input.")
  var prompt: String

  @Option(help: "A system prompt in place of the template's.")
  var system: String?

  @Option(
    parsing: .singleValue, help: ArgumentHelp("End the answer at this string; may be given several times.", valueName: "text"))
  var stop: [String] = []

  @Option(help: ArgumentHelp("Draw the pictures as the model saw them, dropped patches dimmed, as PNG.", valueName: "file"))
  var overlay: String?

  @Flag(help: "Print one JSON object: text, tokens, timings and memory.")
  var json = false

  func run() async throws {
    let question = try prompt == "-" ? readInput() : prompt
    let (pictures, films) = (try images.load(), try videos.open())
    if question.isEmpty, pictures.isEmpty, films.isEmpty, sounds.audio.isEmpty {
      // Captions need no question, but something there must be.
      let message = "the prompt is empty and there is no picture"
      throw prompt == "-" ? InputError(description: "standard input: " + message) : ValidationError("--prompt: " + message)
    }
    if overlay != nil, !films.isEmpty || !sounds.audio.isEmpty {
      throw ValidationError("--overlay draws pictures; leave it out with --video and --audio")
    }
    if !films.isEmpty, !sounds.audio.isEmpty {
      throw ValidationError("--audio and --video exclude each other: no model takes both")
    }
    let tags = MediaTags([question], images: pictures.count, videos: films.count, audio: sounds.audio.count)
    let tagged = LLaVAPipeline.withImageTags(tags.texts[0], images: tags.media.count)
    try LLaVAPipeline.requireImages(tags.media.count, in: [system ?? "", tagged])
    let overlay = try overlay.map { try OverlayFile($0, pictures: pictures.count) }
    var options = sampling.options
    let folder = try await model.model.folder()
    options.compression = try compression.plan(forCheckpoint: folder)
    var pipeline = try model.load(from: folder)
    if let system { pipeline = pipeline.with(system: system) }
    let turns = [Turn(.user, tagged), Turn(.assistant, "")]
    let request = try pipeline.request(
      turns, pictures: pipeline.media(tags.media, pictures, films, videos.frames.sampling, sounds))
    let json = json
    var failure: (any Error)?
    let line = WaitingLine("reading the prompt")
    defer { line.end() }
    let answer = try pipeline.answer(request, options, stopStrings: stop) { piece in
      if !json { line.end() }
      if !json { do { try printNow(piece) } catch { failure = error } }
      return failure == nil
    }
    line.end()
    if let failure { throw failure }
    if json {
      try printJSON(GenerationReport(answer, plan: options.compression))
    } else {
      try printLine()
    }
    try overlay?.write(answer, pictures, pipeline, options.compression)
  }

  private func readInput() throws -> String {
    let data: Data
    do {
      data = try FileHandle.standardInput.readToEnd() ?? Data()
    } catch {
      throw InputError(description: "standard input: cannot be read (\(systemReason(error)))")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw InputError(description: "standard input: not UTF-8 text; give the prompt in UTF-8")
    }
    return text.trimmingCharacters(in: .newlines)
  }
}
