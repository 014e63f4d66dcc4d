import Audio
import Basics
import ChatProtocol
import Engine
import Fetching
import Foundation
import HTTPTypes
import Hummingbird
import Imaging
import LLaVA
import Language
import NIOCore
import Video

extension Response {
  /// A JSON body.
  static func json(
    _ value: some Encodable, status: HTTPResponse.Status = .ok, _ headers: HTTPFields = [:]
  ) throws -> Response {
    let data = try value.jsonData()
    var headers = headers
    headers[.contentType] = "application/json"
    headers[.contentLength] = "\(data.count)"
    return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: data)))
  }

  /// An error's body; one without further words where not even that can be written.
  static func error(_ error: APIError) -> Response {
    var headers = HTTPFields()
    if let seconds = error.retryAfter { headers[.retryAfter] = "\(seconds)" }
    if error.status == 401 { headers[.wwwAuthenticate] = "Bearer" }
    let status = HTTPResponse.Status(code: error.status)
    return (try? .json(error, status: status, headers)) ?? Response(status: status)
  }
}

extension APIError {
  /// What a failure looks like from outside.
  ///
  /// - Parameter picture: the path of the picture that it is about.
  init(_ error: any Error, picture: String? = nil) {
    switch error {
    case let error as APIError: self = error
    case let error as FetchError:
      self = APIError(error.kind == .failed ? 422 : 400, code: error.code, param: picture.map { $0 + ".url" }, error.description)
    case let error as ImagingError: self = Self.picture(error, picture)
    case let error as VideoError: self = Self.video(error, picture)
    case let error as AudioError: self = Self.audio(error, picture)
    case let error as EngineError: self = Self.engine(error)
    case let error as PromptError:
      if case .tooLong = error {
        self = APIError(400, code: "context_length_exceeded", param: "messages", error.description)
      } else {
        self = .invalidValue("messages", error.description)
      }
    case let error as LanguageError: self = .invalidValue("messages", error.description)
    case let error as GenerationError:
      switch error {
      case .invalidOption(let text): self = APIError(400, code: "invalid_value", text)
      default: self = APIError(500, .server, code: "model_failure", "the model's scores for this request are not finite")
      }
    case is CloseSignal.Expired:
      self = APIError(
        503, .server, code: "deadline_exceeded", retryAfter: 10, "the answer was not complete within the server's time limit")
    default: self = APIError(500, .server, code: "internal_error", "the server failed at this request")
    }
  }

  private static func engine(_ error: EngineError) -> APIError {
    switch error {
    case .full: APIError(429, .rateLimit, code: "queue_full", retryAfter: 1, error.description)
    case .draining: APIError(503, .server, code: "shutting_down", retryAfter: 10, error.description)
    case .tooLarge: APIError(400, code: "context_length_exceeded", param: "max_tokens", error.description)
    case .slowReader, .lost: APIError(500, .server, code: "internal_error", error.description)
    }
  }

  private static func video(_ error: VideoError, _ path: String?) -> APIError {
    let code =
      switch error {
      case .tooManyBytes, .tooManyPixels, .tooLong, .tooManyFrames: "video_too_large"
      case .notAVideo, .unsupportedCodec: "unsupported_video_format"
      default: "invalid_video"
      }
    return APIError(400, code: code, param: path.map { $0 + ".url" }, error.description)
  }

  private static func audio(_ error: AudioError, _ path: String?) -> APIError {
    let code =
      switch error {
      case .notAudio, .unsupportedCodec: "unsupported_audio_format"
      default: "invalid_audio"
      }
    return APIError(400, code: code, param: path, error.description)
  }

  private static func picture(_ error: ImagingError, _ path: String?) -> APIError {
    let code =
      switch error {
      case .tooManyBytes, .tooManyPixels: "image_too_large"
      case .notAnImage, .unsupportedFormat: "unsupported_image_format"
      default: "invalid_image"
      }
    return APIError(400, code: code, param: path.map { $0 + ".url" }, error.description)
  }
}

/// Server-sent events: `data: …`, an empty line, and `[DONE]` at the end.
enum EventStream {
  static let done = ByteBuffer(string: "data: [DONE]\n\n")
  /// A comment that clients skip; it never has an `id:` line, which would make an empty event of it.
  static let keepAlive = ByteBuffer(string: ": keep-alive\n\n")

  static let headers: HTTPFields = {
    var headers = HTTPFields()
    headers[.contentType] = "text/event-stream; charset=utf-8"
    headers[.cacheControl] = "no-cache"
    if let name = HTTPField.Name("x-accel-buffering") { headers[name] = "no" }
    return headers
  }()

  static func event(_ value: some Encodable) throws -> ByteBuffer {
    var buffer = ByteBuffer(string: "data: ")
    buffer.writeBytes(try value.jsonData())
    buffer.writeString("\n\n")
    return buffer
  }
}
