import ChatProtocol
import Engine
import Fetching
import Foundation
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Imaging
import LLaVA
import Language
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Torch

/// A model behind HTTP.
public struct ModelServer: Sendable {
  private let service: ChatService
  private let options: ServerOptions
  private let log: Logger

  /// Prepares a server; the model answers once before this returns.
  ///
  /// - Throws: why the model does not answer.
  public init(_ model: ServedModel, _ options: ServerOptions, log: Logger, fetcher: PictureFetcher? = nil) async throws {
    (self.options, self.log) = (options, log)
    let engine = Engine(model.pipeline, options.engine)
    service = ChatService(model, engine, fetcher ?? PictureFetcher(options.fetching), options)
    try await service.warmUp()
  }

  /// Serves until the process is told to stop, or the task is cancelled.
  ///
  /// On SIGTERM and SIGINT no new requests are taken, running ones are answered to their ends within `ServerOptions.drainSeconds`, and what is
  /// left then ends with an error.
  ///
  /// - Parameters:
  ///   - signals: whether the process's signals are listened to.
  ///   - listening: is called with the port once the server listens.
  public func run(signals: Bool = true, listening: @escaping @Sendable (_ port: Int) -> Void = { _ in }) async throws {
    let group = try group(signals: signals, listening: listening)
    try await group.run()
  }

  /// The server as services, which stop in reverse order: answers first, then the sockets.
  public func group(signals: Bool, listening: @escaping @Sendable (_ port: Int) -> Void) throws -> ServiceGroup {
    let application = Application(
      responder: Routes(service, options, log), server: try httpServer(),
      configuration: ApplicationConfiguration(
        address: .hostname(options.host, port: options.port), serverName: "epic", backlog: 1024,
        availableConnectionsDelegate: MaximumAvailableConnections(options.maximumConnections)),
      onServerRunning: { channel in listening(channel.localAddress?.port ?? 0) }, logger: log)
    let drain = Drain(service: service, seconds: options.drainSeconds, log: log)
    var configuration = ServiceGroupConfiguration(
      services: [.init(service: application), .init(service: drain, successTerminationBehavior: .gracefullyShutdownGroup)],
      gracefulShutdownSignals: signals ? [.sigterm, .sigint] : [], logger: log)
    configuration.maximumGracefulShutdownDuration = .seconds(options.drainSeconds + 10)
    return ServiceGroup(configuration: configuration)
  }

  private func httpServer() throws -> HTTPServerBuilder {
    let plain = HTTPServerBuilder.http1(
      configuration: HTTP1Channel.Configuration(
        additionalChannelHandlers: [ConnectionWatch()], idleTimeout: .milliseconds(Int64(options.idleSeconds * 1000)),
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: options.maximumHeaderBytes, maxHeaderListSize: options.maximumHeaderBytes, maxHeaderFieldCount: 200)
      ))
    guard let (certificate, key) = options.tls else { return plain }
    let chain = try NIOSSLCertificate.fromPEMFile(certificate.path).map { NIOSSLCertificateSource.certificate($0) }
    let tls = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain, privateKey: .privateKey(try NIOSSLPrivateKey(file: key.path, format: .pem)))
    return try .tls(plain, tlsConfiguration: tls)
  }

  /// What has to be computed before the first tokens of those that are inside.
  package var backlog: Backlog { service.engine.backlog }

  /// What there is to do, for tests.
  package var load: (inside: Int, running: Int, bytes: Int) {
    let load = service.engine.admission.load
    return (load.inside, service.engine.state.running, load.bytes)
  }
}

/// Lets running answers come to their ends when the server is told to stop.
private struct Drain: Service {
  let service: ChatService
  let seconds: Double
  let log: Logger

  func run() async throws {
    try await gracefulShutdown()
    let admission = service.engine.admission
    admission.drain()
    log.notice("shutting down", metadata: ["answers": "\(admission.load.inside)"])
    await wait(seconds)
    // What is left ends with an error, which its client is to see.
    service.engine.stop()
    await wait(2)
  }

  private func wait(_ seconds: Double) async {
    let end = ContinuousClock.now + .seconds(seconds)
    while service.engine.admission.load.inside > 0, ContinuousClock.now < end {
      do { try await Task.sleep(for: .milliseconds(10)) } catch { return }
    }
  }
}

extension ChatService {
  /// Has the model answer once, which also measures how fast it is.
  func warmUp() async throws {
    let pipeline = model.pipeline
    let configuration = pipeline.model.configuration
    let shape = configuration.usualPicture
    var options = GenerationOptions()
    options.maximumNewTokens = 2
    for round in 0..<2 {
      let picture = PreparedImage(
        pixels: try PicturePixels(
          views: .zeros(configuration.pixelShape(of: shape)), height: shape.height, width: shape.width),
        digest: "warm-up \(round)")
      let ids = try encodeWithImages(
        pipeline.template.prompt(for: [Turn(.user, imageTag + "\n?")]), tokenizer: pipeline.tokenizer)
      let reply = engine.submit(Job(ids: ids, pictures: [picture], options: options))
      while try await reply.next() != nil {}
    }
  }
}
