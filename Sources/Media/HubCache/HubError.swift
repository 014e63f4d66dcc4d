import Basics

/// Why a model of the hub cannot be had.
public struct HubError: Error, Equatable, CustomStringConvertible {
  /// The kinds of failure; `host` is the hub's address.
  public enum Kind: Equatable, Sendable {
    /// A text is no name of the hub.
    case notAName(String)
    /// A variable of the environment, or the token's file, cannot be used.
    case setting(String)
    /// The cache does not hold the model, and the network must not be used.
    case offline(cache: String)
    /// The cache holds a part, and the network must not or cannot be used.
    case incomplete(cache: String, missing: [String])
    /// Nobody answers, and the cache does not hold the model.
    case unreachable(host: String, reason: String)
    /// The hub shows it to nobody without a token, or does not have it: it does not tell which.
    case unknown(host: String, hasToken: Bool)
    /// The token is none.
    case badToken(host: String)
    /// The owner admits people one by one.
    case gated(page: String, hasToken: Bool)
    /// The token, or its owner, may not.
    case forbidden(host: String, message: String)
    /// There is no such branch, tag or commit.
    case noRevision(host: String, revision: String)
    /// A file that is listed is not there.
    case noFile(String)
    /// Any other refusal.
    case refused(host: String, path: String, status: Int, message: String)
    /// An answer that breaks the protocol.
    case answer(path: String, reason: String)
    /// A transfer that was cut, and cut again.
    case cut(file: String, reason: String, done: Int, size: Int)
    /// A file has another length than was said.
    case wrongSize(file: String, found: Int, expected: Int)
    /// A file holds other bytes than was said.
    case damaged(file: String, found: String, expected: String)
    /// The disk has too little room.
    case noRoom(folder: String, needed: Int, free: Int)
    /// Nothing in it can be read as weights.
    case noWeights(others: [String])
    /// A file has a name that leads elsewhere.
    case hostileName(String)
  }

  /// The name, file or variable that is concerned.
  public let subject: String
  /// What happened.
  public let kind: Kind

  /// A failure.
  public init(_ subject: String, _ kind: Kind) { (self.subject, self.kind) = (subject, kind) }

  /// One sentence for people.
  public var description: String { "\(subject): \(sentence)" }

  /// The sentence without its subject.
  public var sentence: String {
    switch kind {
    case .notAName(let reason): "is no name on the hub, org/name or org/name@revision: \(reason)"
    case .setting(let reason): reason
    case .offline(let cache):
      "is not in the cache \(cache), and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids the network; unset it to download"
    case .incomplete(let cache, let missing):
      "only a part is in the cache \(cache), which lacks \(Self.list(missing)); run epic pull where the hub can be reached"
    case .unreachable(let host, let reason):
      "\(host) cannot be reached (\(reason)); the cache does not hold the model either, so check the network and HF_ENDPOINT"
    case .unknown(let host, let hasToken):
      "\(host) has no such model, or shows it to few; check the name"
        + (hasToken ? " and what the token may read" : ", and set HF_TOKEN where it is private")
    case .badToken(let host): "\(host) does not accept the token; make another one and set HF_TOKEN"
    case .gated(let page, let hasToken):
      "its owners admit people one by one; ask for access at \(page)" + (hasToken ? "" : ", and set HF_TOKEN")
    case .forbidden(let host, let message):
      "\(host) forbids it\(message.isEmpty ? "" : " (\(message))"); check what the token may read"
    case .noRevision(let host, let revision):
      "\(host) has no branch, tag or commit \(revision) of it; check what stands behind '@'"
    case .noFile(let file): "\(file) is listed and not there; try again, or name another revision"
    case .refused(let host, let path, let status, let message):
      "\(host) answers \(status) for \(path)\(message.isEmpty ? "" : " (\(message))"); try again later"
    case .answer(let path, let reason): "the answer for \(path) \(reason); check HF_ENDPOINT and proxies"
    case .cut(let file, let reason, let done, let size):
      "\(file) broke off (\(reason)) after \(formatBytes(done)) of \(formatBytes(size)); try again, it goes on from there"
    case .wrongSize(let file, let found, let expected):
      "\(file) came with \(found) bytes where \(expected) were announced; try again"
    case .damaged(let file, let found, let expected):
      "\(file) arrived damaged: its hash is \(found), expected \(expected); try again"
    case .noRoom(let folder, let needed, let free):
      "\(folder) has room for \(formatBytes(free)), and \(formatBytes(needed)) are needed; make room or set HF_HUB_CACHE"
    case .noWeights(let others):
      "has no weights that can be read, model.safetensors or pytorch_model.bin in one piece or in shards"
        + (others.isEmpty ? "" : "; it has \(Self.list(others))")
    case .hostileName(let name):
      "lists a file \(name.debugDescription), which leads out of its folder; nothing of it is downloaded"
    }
  }

  /// What happened, without what is to be done.
  public var cause: String { sentence.firstRange(of: "; ").map { String(sentence[..<$0.lowerBound]) } ?? sentence }

  private static func list(_ names: [String]) -> String {
    names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
  }
}
