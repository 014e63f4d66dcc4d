import ArgumentParser
import Compression
import Foundation
import Hummingbird
import Imaging
import LLaVA

/// A route of one's own: `POST /ask?question=…` with a picture as the body is answered in plain text.
@main
struct AskServer: AsyncParsableCommand {
  @Argument(help: "Folder of a checkpoint.") var model: String
  @Option(help: "Port of this machine to listen at; 0 takes a free one.") var port = 8080
  @Option(help: "Visual tokens that are left of a picture.") var keep = 64

  func run() async throws {
    let answerer = try Answerer(URL(fileURLWithPath: model), keep: keep)
    let router = Router()
    router.post("ask") { request, _ in
      guard let question = request.uri.queryParameters["question"], !question.isEmpty else {
        throw HTTPError(.badRequest, message: "the question is missing, as in /ask?question=What%20is%20it")
      }
      let body = try await request.body.collect(upTo: 20 << 20)
      do {
        return try await answerer.answer(String(question), about: Array(body.readableBytesView))
      } catch let error as ImagingError {
        throw HTTPError(.badRequest, message: "\(error)")
      }
    }
    let application = Application(
      router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
      onServerRunning: { channel in
        FileHandle.standardOutput.write(Data("listening at port \(channel.localAddress?.port ?? 0)\n".utf8))
      })
    try await application.runService()
  }
}

/// A model that answers one question after the other, on a queue of its own: answering takes long and must not hold up the server's threads.
final class Answerer: Sendable {
  private let pipeline: LLaVAPipeline
  private let options: GenerationOptions
  private let queue = DispatchQueue(label: "answerer")

  init(_ folder: URL, keep: Int) throws {
    pipeline = try LLaVAPipeline.load(from: folder)
    var options = GenerationOptions()
    options.maximumNewTokens = 64
    options.compression = try CompressionPlan("dart:\(keep)@2")
    self.options = options
  }

  func answer(_ question: String, about picture: [UInt8]) async throws -> String {
    try await withCheckedThrowingContinuation { done in
      queue.async { [pipeline, options] in
        done.resume(
          with: Result {
            let picture = try RGBImage(data: picture, name: "the picture", orientation: .honoured)
            var chat = try ChatSession(pipeline, images: [picture], options)
            return try chat.reply(to: question).text
          })
      }
    }
  }
}
