import ChatProtocol
import Engine
import Fetching
import Foundation
import Video

/// How a server listens, whom it lets in, and how long it waits.
public struct ServerOptions: Sendable {
  /// Where it listens; port 0 takes a free one.
  public var host = "127.0.0.1", port = 8000
  /// Keys of which a request has to bring one; none lets everybody in.
  public var keys: [String] = []
  /// Origins whose pages may ask; "*" for all, without credentials.
  public var origins: Set<String> = []
  /// Certificate chain and private key, in PEM; nil for plain HTTP.
  public var tls: (certificate: URL, key: URL)?
  /// Most bytes of a body.
  public var maximumBodyBytes = 32 << 20
  /// Most bytes of a request's headers.
  public var maximumHeaderBytes = 32 << 10
  /// Most connections.
  public var maximumConnections = 1024
  /// Seconds in which a body has to be there, an answer has to be complete, and a reader has to take what is written.
  public var bodySeconds = 30.0, answerSeconds = 600.0, writeSeconds = 30.0
  /// Seconds after which a connection without a request is closed.
  public var idleSeconds = 75.0
  /// Seconds that running answers get when the server is told to stop.
  public var drainSeconds = 30.0
  /// Seconds between signs of life in a stream that has no text yet.
  public var keepAliveSeconds = 10.0
  /// Longest answer where a request says nothing.
  public var defaultNewTokens = 1024
  /// Most pictures of a request.
  public var maximumPictures = 16
  /// Which frames of a video are looked at.
  public var sampling = FrameSampling()
  /// Most seconds of a video.
  public var maximumVideoSeconds = 3600.0
  /// Most pixels of a picture, or of a video's frame.
  public var maximumPixels = 1 << 26
  /// Milliseconds to the first token that `auto` aims at where a request names none.
  public var targetTTFT = 1000.0
  /// Which pictures are fetched.
  public var fetching = PictureFetcher.Options()
  /// How much is answered at a time.
  public var engine = EngineOptions()
  /// Whether prompts and answers are written to the log.
  public var logsContent = false
  /// What `/version` says.
  public var version = "0"

  /// The usual server: this machine alone, no keys.
  public init() {}
}
