import ArgumentParser
import Fetching
import Foundation
import Serving

/// Where the server listens, and who may ask.
struct NetworkOptions: ParsableArguments {
  @Option(help: "Address to listen at; 0.0.0.0 for all of this machine's.")
  var host = "127.0.0.1"

  @Option(help: "Port to listen at; 0 takes a free one.")
  var port = 8000

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "A key that requests have to bring as \"Authorization: Bearer …\", everywhere but at /health; may be given several times.",
      discussion: "EPIC_API_KEY does the same and is not seen in the list of processes.", valueName: "key"))
  var apiKey: [String] = []

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("An origin whose pages may ask, or *; may be given several times.", valueName: "origin"))
  var allowedOrigin: [String] = []

  @Option(help: ArgumentHelp("Certificate chain, PEM; with --tls-key for https.", valueName: "file"))
  var tlsCert: String?

  @Option(help: ArgumentHelp("Private key, PEM.", valueName: "file"))
  var tlsKey: String?

  @Option(help: "Most bytes of a request's body.")
  var maxBodyBytes = 32 << 20

  @Option(help: "Most connections.")
  var maxConnections = 1024

  func validate() throws {
    if !(0...65_535).contains(port) { throw ValidationError("--port is \(port), expected 0...65535") }
    if (tlsCert == nil) != (tlsKey == nil) { throw ValidationError("--tls-cert and --tls-key go together") }
    if apiKey.contains("") { throw ValidationError("--api-key is empty") }
    for (name, value) in [("max-body-bytes", maxBodyBytes), ("max-connections", maxConnections)] where value < 1 {
      throw ValidationError("--\(name) is \(value), expected 1 or more")
    }
  }

  func apply(to options: inout ServerOptions) throws {
    (options.host, options.port) = (host, port)
    options.keys = apiKey
    if let key = ProcessInfo.processInfo.environment["EPIC_API_KEY"], !key.isEmpty { options.keys.append(key) }
    options.origins = Set(allowedOrigin)
    if let tlsCert, let tlsKey {
      for path in [tlsCert, tlsKey] where !FileManager.default.isReadableFile(atPath: path) {
        throw InputError(description: "\(path): cannot be read; give a PEM file")
      }
      options.tls = (URL(fileURLWithPath: tlsCert), URL(fileURLWithPath: tlsKey))
    }
    (options.maximumBodyBytes, options.maximumConnections) = (maxBodyBytes, maxConnections)
  }
}

/// Which pictures are read.
struct PictureOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Hosts, with or without a port, whose pictures are fetched by http and https; * for all that are public. None unless given.",
      valueName: "host"))
  var allowedMediaDomains: [String] = []

  @Option(help: ArgumentHelp("Folder whose pictures may be asked for by file: address. None unless given.", valueName: "dir"))
  var allowedLocalMediaPath: String?

  @Option(help: "Most pictures of a request.")
  var maxImages = 16

  @Option(help: "Most pixels of a picture.")
  var maxPixels = 1 << 26

  @Option(help: "Most bytes of a picture's file.")
  var maxImageBytes = 20 << 20

  @Option(help: "Most bytes of a video's file.")
  var maxVideoBytes = 128 << 20

  @Option(help: "Most seconds of a video.")
  var maxVideoSeconds = 3600

  @OptionGroup var frames: FrameOptions

  @Option(help: "Seconds that fetching a picture or a video may take.")
  var fetchTimeout = 5

  func validate() throws {
    for (name, value) in [
      ("max-images", maxImages), ("max-pixels", maxPixels), ("max-image-bytes", maxImageBytes),
      ("fetch-timeout", fetchTimeout), ("max-video-bytes", maxVideoBytes), ("max-video-seconds", maxVideoSeconds),
    ] where !(1...1 << 40).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 1 or more")
    }
  }

  func apply(to options: inout ServerOptions) throws {
    options.fetching.domains = Set(allowedMediaDomains.map { $0.lowercased() })
    if let path = allowedLocalMediaPath {
      do {
        options.fetching.folder = try LocalFolder(URL(fileURLWithPath: path))
      } catch {
        throw InputError(description: "--allowed-local-media-path: \(error)")
      }
    }
    (options.maximumPictures, options.maximumPixels) = (maxImages, maxPixels)
    (options.fetching.maximumBytes, options.fetching.timeout) = (maxImageBytes, .seconds(fetchTimeout))
    (options.fetching.maximumVideoBytes, options.maximumVideoSeconds) = (maxVideoBytes, Double(maxVideoSeconds))
    options.sampling = frames.sampling
  }
}

/// How much is answered at a time.
struct LoadOptions: ParsableArguments {
  @Option(help: "Most answers that are written at a time.")
  var maxSequences = 32

  @Option(help: "Most requests that wait behind them; further ones get status 429.")
  var maxQueued = 128

  @Option(help: ArgumentHelp("Memory for keys and values of running answers, in MiB.", valueName: "mib"))
  var kvCacheMemory = 2048

  @Option(
    help: ArgumentHelp(
      "Memory for what is kept of pictures for further questions about them, in MiB; 0 keeps nothing.", valueName: "mib"))
  var sharedMemory = 1024

  @Option(help: "Milliseconds that reading prompts may keep running answers from their next token.")
  var maxStall = 200

  @Option(help: "Milliseconds to the first token that the budget auto aims at where a request names none.")
  var targetTtft = 1000.0

  @Option(help: "Longest answer where a request says nothing, in tokens.")
  var defaultMaxTokens = 1024

  @Option(help: "Seconds in which an answer has to be complete.")
  var answerTimeout = 600.0

  @Option(help: "Seconds that running answers get when the server is told to stop.")
  var drainTimeout = 30.0

  func validate() throws {
    for (name, value, range) in [
      ("max-sequences", maxSequences, 1...4096), ("max-queued", maxQueued, 0...1 << 20),
      ("kv-cache-memory", kvCacheMemory, 1...1 << 30),
      ("shared-memory", sharedMemory, 0...1 << 30), ("max-stall", maxStall, 1...60_000),
      ("default-max-tokens", defaultMaxTokens, 1...1 << 30),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
    for (name, value) in [("target-ttft", targetTtft), ("answer-timeout", answerTimeout), ("drain-timeout", drainTimeout)]
    where !(0.001...1e6).contains(value) {
      throw ValidationError("--\(name) is \(value), expected 0.001...1000000")
    }
  }

  func apply(to options: inout ServerOptions) {
    (options.engine.maximumSequences, options.engine.maximumQueued) = (maxSequences, maxQueued)
    (options.engine.cacheBytes, options.engine.sharedBytes) = (kvCacheMemory << 20, sharedMemory << 20)
    options.engine.stall = .milliseconds(maxStall)
    (options.targetTTFT, options.defaultNewTokens) = (targetTtft, defaultMaxTokens)
    (options.answerSeconds, options.drainSeconds) = (answerTimeout, drainTimeout)
  }
}
