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

  /// Decodes a picture or a video's frames and makes pixels of it.
  ///
  /// - Throws: `ImagingError`, `EvaluationError.image`, `VideoError`; `PromptError.noVideos` for a video and a model that takes none.
  func picture(_ image: QuestionImage) throws -> PreparedPicture {
    let pixels: PicturePixels
    if let video = image.video {
      pixels = try pipeline.video(video.open(), sampling, in: video.clip)
    } else {
      pixels = try pipeline.preprocessor.views(image.decoded(), isAlone: true)
    }
    return PreparedPicture(key: image.key, pixels: pixels, seed: Fingerprint.seed(of: image, seed))
  }

  /// A question as the model reads it.
  ///
  /// - Throws: `LanguageError`.
  func request(_ question: Question, _ picture: PreparedPicture?) throws -> AnswerRequest {
    let text = picture == nil ? question.prompt : "\(imageTag)\n\(question.prompt)"
    var prompt = try pipeline.template.prompt(for: [Turn(.user, text)])
    if !question.answerPrefix.isEmpty {
      let isApart = prompt.last?.isWhitespace ?? true
      prompt += (isApart ? "" : " ") + question.answerPrefix
    }
    return AnswerRequest(
      ids: try encodeWithImages(prompt, tokenizer: pipeline.tokenizer), picture: picture, maximumNewTokens: maximumNewTokens)
  }
}
