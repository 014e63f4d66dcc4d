import Evaluation
import Imaging
import LLaVA
import Language

/// From a benchmark's questions to what a model reads.
struct QuestionReader: Sendable {
  let pipeline: LLaVAPipeline
  let maximumNewTokens: Int
  /// Where random choices start.
  let seed: UInt64

  /// Decodes a picture and makes pixels of it.
  ///
  /// - Throws: `ImagingError`, `EvaluationError.image`.
  func picture(_ image: QuestionImage) throws -> PreparedPicture {
    PreparedPicture(
      key: image.key, pixels: try pipeline.preprocessor.views(image.decoded(), isAlone: true),
      seed: Fingerprint.seed(of: image, seed))
  }

  /// A question as the model reads it.
  ///
  /// - Throws: `LanguageError`.
  func request(_ question: Question, _ picture: PreparedPicture?) throws -> AnswerRequest {
    let text = picture == nil ? question.prompt : "\(imageTag)\n\(question.prompt)"
    return AnswerRequest(
      ids: try encodeWithImages(pipeline.template.prompt(for: [Turn(.user, text)]), tokenizer: pipeline.tokenizer),
      picture: picture, maximumNewTokens: maximumNewTokens)
  }
}
