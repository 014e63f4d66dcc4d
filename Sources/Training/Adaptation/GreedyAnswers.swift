import Basics
import Compression
import Foundation
import Imaging
import LLaVA
import Language
import Torch

/// A model's own answers, greedily, several questions in one batch.
struct GreedyAnswers {
  let pipeline: LLaVAPipeline
  let images: URL
  let maximumTokens: Int
  /// Questions of a batch.
  var lanes = 16

  /// An answer to a question, or why there is none.
  struct Found: Codable, Equatable {
    let index: Int
    let answer: String?
    let fault: String?
  }

  /// Answers questions under a plan.
  ///
  /// - Parameters:
  ///   - plan: what is dropped; nil for nothing.
  ///   - numbers: the questions' numbers, by which answers are known.
  ///   - handle: is given each batch's answers; returns false to end there.
  /// - Throws: what the model throws. A picture that cannot be read is a fault of its questions.
  func answer(
    _ questions: [AdaptationQuestion], numbers: [Int], _ plan: CompressionPlan?, handle: ([Found]) throws -> Bool
  ) throws {
    var options = GenerationOptions()
    options.maximumNewTokens = maximumTokens
    options.compression = plan
    for first in stride(from: 0, to: numbers.count, by: lanes) {
      let batch = Array(numbers[first..<min(first + lanes, numbers.count)])
      if try !handle(inference { try answer(batch.map { ($0, questions[$0]) }, options) }) { return }
    }
  }

  private func answer(_ batch: [(Int, AdaptationQuestion)], _ options: GenerationOptions) throws -> [Found] {
    var found: [Found] = []
    var (requests, numbers, streams) = ([GenerationRequest](), [Int](), [AnswerStream]())
    for (number, question) in batch {
      do {
        let picture = try RGBImage(contentsOf: url(question.image))
        let turns = [Turn(.user, LLaVAPipeline.withImageTags(question.question, images: 1)), Turn(.assistant, "")]
        requests.append(try pipeline.request(turns, images: [picture]))
        numbers.append(number)
        streams.append(AnswerStream(pipeline.tokenizer, stopStrings: pipeline.template.stopStrings))
      } catch let error as ImagingError {
        found.append(Found(index: number, answer: nil, fault: "\(error)"))
      }
    }
    if requests.isEmpty { return found }
    _ = try pipeline.model.generate(requests, options) { sample, token in
      try streams[sample].append(token).stopped ? .stop : .proceed
    }
    for place in streams.indices {
      _ = try streams[place].finish()
      let text = streams[place].answer.trimmingCharacters(in: .whitespacesAndNewlines)
      found.append(
        text.isEmpty
          ? Found(index: numbers[place], answer: nil, fault: "the model answers nothing")
          : Found(index: numbers[place], answer: text, fault: nil))
    }
    return found
  }

  private func url(_ path: String) -> URL { path.hasPrefix("/") ? URL(fileURLWithPath: path) : images.appending(path: path) }
}
