import ArgumentParser
import Foundation
import Language
import LLaVA

/// One prompt, one answer.
struct Generate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer one prompt about pictures.",
    discussion: """
      The prompt goes into the conversation template; pictures stand in front of it unless it says <image> where they belong.
      The answer appears as it is written; --json prints one object at the end in its place.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var images: ImageOptions
  @OptionGroup var sampling: SamplingOptions

  @Option(help: "The question; `-` reads it from standard input.")
  var prompt: String

  @Option(help: "A system prompt in place of the template's.")
  var system: String?

  @Option(
    parsing: .singleValue, help: ArgumentHelp("End the answer at this string; may be given several times.", valueName: "text"))
  var stop: [String] = []

  @Flag(help: "Print one JSON object: text, tokens, timings and memory.")
  var json = false

  func run() async throws {
    let question = try prompt == "-" ? readInput() : prompt
    let pictures = try images.load()
    var pipeline = try model.load()
    if let system { pipeline = pipeline.with(system: system) }
    let turns = [Turn(.user, LLaVAPipeline.withImageTags(question, images: pictures.count)), Turn(.assistant, "")]
    let request = try pipeline.request(turns, images: pictures)
    let json = json
    let answer = try pipeline.answer(request, sampling.options, stopStrings: stop) { piece in
      if !json { printNow(piece) }
      return true
    }
    if json { try printJSON(GenerationReport(answer)) } else { printNow("\n") }
  }

  private func readInput() throws -> String {
    guard let text = String(data: FileHandle.standardInput.readDataToEndOfFile(), encoding: .utf8) else {
      throw ValidationError("standard input is not UTF-8 text")
    }
    return text.trimmingCharacters(in: .newlines)
  }
}
