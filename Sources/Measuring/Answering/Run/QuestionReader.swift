import Evaluation
import Imaging
import LLaVA
import Language
import Video

/// From a benchmark's questions to what a model reads.
struct QuestionReader: Sendable {
  let pipeline: LLaVAPipeline
  let maximumNewTokens: Int
  /// Where random choices start.
  let seed: UInt64
  /// Which frames of a video are looked at.
  let sampling: FrameSampling
  /// What pictures and frames go through before they are seen.
  var perturbation: Perturbation?

  /// Decodes a picture or a video's frames and makes pixels of it.
  ///
  /// - Throws: `ImagingError`, `EvaluationError.image`, `VideoError`; `PromptError.noVideos` for a video and a model that takes none,
  ///   `PromptError.noPictures` for a picture and one that listens.
  func picture(_ image: QuestionImage) throws -> PreparedPicture {
    let seed = Fingerprint.seed(of: image, seed)
    let pixels =
      if let video = image.video {
        [try pipeline.video(PerturbedFrames(source: video.open(), perturbation, seed: seed), sampling, in: video.clip)]
      } else {
        try pipeline.pictures([perturbed(image.decoded(), seed)])
      }
    return PreparedPicture(key: image.key, pixels: pixels[0], seed: seed)
  }

  private func perturbed(_ image: RGBImage, _ seed: UInt64) throws -> RGBImage {
    try perturbation.map { try $0(image, seed: seed) } ?? image
  }

  /// A question as the model reads it.
  ///
  /// - Parameter earlier: questions about the same picture that the conversation begins with, and their answers.
  /// - Throws: `LanguageError`.
  func request(
    _ question: Question, _ picture: PreparedPicture?, after earlier: [(question: Question, answer: String)] = []
  ) throws -> AnswerRequest {
    var turns: [Turn] = []
    func ask(_ question: Question) {
      let isFirst = turns.isEmpty && picture != nil
      turns.append(Turn(.user, isFirst ? "\(imageTag)\n\(question.prompt)" : question.prompt))
    }
    func ids(endingWith prefix: String) throws -> [Int] {
      var prompt = try pipeline.template.prompt(for: turns)
      if !prefix.isEmpty {
        let isApart = prompt.last?.isWhitespace ?? true
        prompt += (isApart ? "" : " ") + prefix
      }
      return try encodeWithImages(prompt, tokenizer: pipeline.tokenizer)
    }
    var promptLength: Int?
    for (question, answer) in earlier {
      ask(question)
      promptLength = try promptLength ?? ids(endingWith: "").count
      turns.append(Turn(.assistant, answer))
    }
    ask(question)
    return AnswerRequest(
      ids: try ids(endingWith: question.answerPrefix), picture: picture, maximumNewTokens: maximumNewTokens,
      promptLength: promptLength)
  }
}

/// Frames that go through a change before they are looked at.
private struct PerturbedFrames: FrameSource {
  let source: any FrameSource
  let perturbation: Perturbation?
  let seed: UInt64

  init(source: any FrameSource, _ perturbation: Perturbation?, seed: UInt64) {
    (self.source, self.perturbation, self.seed) = (source, perturbation, seed)
  }

  var width: Int { source.width }
  var height: Int { source.height }
  var seconds: Double { source.seconds }
  var times: [Double] { source.times }
  var name: String { source.name }

  func frames(at moments: [Double], _ receive: (VideoFrame) throws -> Void) throws {
    guard let perturbation else { return try source.frames(at: moments, receive) }
    var number: UInt64 = 0
    try source.frames(at: moments) { frame in
      // Noise differs from frame to frame.
      try receive(frame.showing(perturbation(frame.image, seed: seed &+ number)))
      number += 1
    }
  }
}
