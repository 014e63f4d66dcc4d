import Compression
import Foundation
import LLaVA
import Language
import Synchronization
import Torch

/// The model at work: one thread that owns it and a `Scheduler`, answering many requests at a time.
///
/// Requests join and leave between two steps. Between steps one picture at most is encoded, and prompts are read in pieces that are as long
/// as `EngineOptions.stall` allows, so answers that are being written go on. What was computed of a picture is kept for further questions.
public final class Engine: Sendable {
  /// What is answered with.
  public let pipeline: LLaVAPipeline
  /// How much is done at a time.
  public let options: EngineOptions
  /// Who may be inside.
  public let admission: Admission
  /// Where pictures are decoded and prepared.
  public let pictures: WorkPool

  /// What has to be done before the first tokens of those that are inside.
  public let backlog = Backlog()

  private let inbox: Inbox
  private let figures: Mutex<EngineFigures>

  /// Starts the thread.
  public init(_ pipeline: LLaVAPipeline, _ options: EngineOptions = EngineOptions()) {
    (self.pipeline, self.options) = (pipeline, options)
    admission = Admission(options)
    pictures = WorkPool(threads: options.pictureThreads, name: "pictures")
    let inbox = Inbox()
    self.inbox = inbox
    figures = Mutex(EngineFigures())
    let thread = Thread { [weak self] in
      var loop = EngineLoop(pipeline, options)
      while let news = inbox.take(mayWait: loop.isIdle) {
        loop.turn(news)
        let found = loop.figures
        self?.figures.withLock { $0 = found }
      }
      loop.stop()
    }
    thread.name = "engine"
    thread.stackSize = 16 << 20
    thread.start()
  }

  deinit { inbox.close() }

  /// Takes a job, for which there has to be memory (`Admission.wait`).
  public func submit(_ job: Job) -> Reply {
    let reply = Reply(limit: options.replyBytes) { [inbox] in inbox.wake() }
    inbox.add(job, reply)
    return reply
  }

  /// What was done so far, and how fast.
  public var state: EngineFigures { figures.withLock { $0 } }

  /// Ends the thread; answers that are being written fail.
  public func stop() { inbox.close() }

  /// Bytes of keys, values and features that a job will need at most.
  ///
  /// - Parameters:
  ///   - text: ids beside the pictures.
  ///   - count: pictures and videos.
  ///   - most: tokens of all pictures and videos at most.
  /// - Throws: `CompressionError` where the plan does not fit the model.
  public func bytes(text: Int, pictures count: Int, most: Int, plan: CompressionPlan?, newTokens: Int) throws -> Int {
    let model = pipeline.model
    let configuration = model.configuration.text
    let layouts = model.configuration.layouts(of: count)
    let stages = try count == 0 ? [] : model.resolve(plan, [layouts]).filter { $0.layer != nil }
    let rows = (0..<configuration.layers).reduce(0) { sum, layer in
      sum + text + (stages.tokens(inLayer: layer, of: layouts) ?? most) + newTokens
    }
    let row = 2 * configuration.keyValueHeads * configuration.headDimension * model.dtype.size
    return rows * row + most * configuration.hiddenSize * model.dtype.size
  }
}

/// What the engine's thread is told, and how it is woken.
///
/// Sendable by hand: every access to a variable happens between `condition.lock()` and `unlock()`.
final class Inbox: @unchecked Sendable {
  private let condition = NSCondition()
  private var jobs: [(Job, Reply)] = []
  private var isWoken = false
  private var isClosed = false

  private func locked<R>(_ body: () -> R) -> R {
    condition.lock()
    defer { condition.unlock() }
    return body()
  }

  func add(_ job: Job, _ reply: Reply) {
    let isTaken = locked {
      if isClosed { return false }
      jobs.append((job, reply))
      condition.signal()
      return true
    }
    if !isTaken { reply.finish(.failure(EngineError.draining)) }
  }

  func wake() {
    locked {
      isWoken = true
      condition.signal()
    }
  }

  func close() {
    locked {
      isClosed = true
      condition.signal()
    }
  }

  /// New jobs; nil once it is closed.
  func take(mayWait: Bool) -> [(Job, Reply)]? {
    let (found, closed) = locked {
      while mayWait, jobs.isEmpty, !isWoken, !isClosed { condition.wait() }
      isWoken = false
      defer { jobs = [] }
      return (jobs, isClosed)
    }
    if closed { for (_, reply) in found { reply.finish(.failure(EngineError.draining)) } }
    return closed ? nil : found
  }
}
