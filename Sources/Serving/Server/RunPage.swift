import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Programs
import Results

/// A training run's report in a browser, on this machine alone, while the run goes on.
///
/// The page is made anew from the run's `metrics.jsonl` for each request, and asks for itself every few seconds. It takes no part in the run:
/// what fails here is shown on the page.
///
/// ```swift
/// let page = try await RunPage.open(URL(fileURLWithPath: "run"), port: 0)
/// print("http://127.0.0.1:\(page.port)")
/// ```
public struct RunPage: Sendable {
  /// Seconds from one look to the next.
  static let interval = 3

  /// Where it listens.
  public let port: Int
  private let serving: Task<Void, any Error>

  /// Begins to listen on 127.0.0.1.
  ///
  /// - Parameters:
  ///   - run: the output folder of the run, which may not be there yet.
  ///   - port: 0 for one that is free.
  /// - Throws: why the port cannot be had.
  public static func open(_ run: URL, port: Int) async throws -> RunPage {
    var log = Logger(label: "epic.run-page")
    log.logLevel = .critical
    let (ports, found) = AsyncStream<Int>.makeStream()
    let application = Application(
      responder: CallbackResponder<BasicRequestContext> { request, _ in response(to: request, run) },
      configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port), serverName: "epic"),
      onServerRunning: { channel in found.yield(channel.localAddress?.port ?? 0) }, logger: log)
    // Training holds the threads that tasks usually run on.
    let serving = Task(executorPreference: OwnThread()) {
      defer { found.finish() }
      try await application.run()
    }
    for await port in ports { return RunPage(port: port, serving: serving) }
    try await serving.value
    throw CancellationError()
  }

  /// Ends it.
  public func close() { serving.cancel() }

  private static func response(to request: Request, _ run: URL) -> Response {
    // A page of another host in the same browser, whose name leads here, is to read nothing.
    let host = request.head.authority.map { $0.prefix { $0 != ":" } }
    guard host == "127.0.0.1" || host == "localhost" else { return text(.forbidden, "Ask for 127.0.0.1 or localhost.\n") }
    guard request.uri.path == "/" else { return text(.notFound, "There is one page, /.\n") }
    guard request.method == .get else { return text(.methodNotAllowed, "GET is all that is understood.\n") }
    do {
      guard FileManager.default.fileExists(atPath: run.appending(path: TrainingLog.fileName).path) else {
        return text(.ok, "No step is done yet.\n")
      }
      var contents = ReportContents(EvaluationResults(models: []))
      contents.trainings = [try TrainingLog(from: run)]
      contents.galleries = try PictureGallery(newestOf: run).map { [$0] } ?? []
      return answer(.ok, "text/html; charset=utf-8", ResultsPage(contents).html)
    } catch {
      return text(.internalServerError, "\(error)\n")
    }
  }

  private static func text(_ status: HTTPResponse.Status, _ text: String) -> Response {
    answer(status, "text/plain; charset=utf-8", text)
  }

  private static func answer(_ status: HTTPResponse.Status, _ type: String, _ text: String) -> Response {
    var headers = HTTPFields()
    headers[.contentType] = type
    headers[.cacheControl] = "no-store"
    headers[.contentSecurityPolicy] =
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    headers[.xContentTypeOptions] = "nosniff"
    if status == .ok, let refresh = HTTPField.Name("Refresh") { headers[refresh] = "\(interval)" }
    return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: text)))
  }
}
