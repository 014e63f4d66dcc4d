import ChatProtocol
import Engine
import Foundation
import Imaging
import LLaVA
import Language
import Logging
import Report

/// One request for an answer, from its checked body to its end.
///
/// Its place inside and its answer end with it, whatever becomes of the connection.
final class ChatSession: Sendable {
  let chat: ChatRequest
  let id: String
  let created: Int
  let budgets: ChatBudgets
  /// When it had its turn.
  let started: ContinuousClock.Instant
  private let service: ChatService
  private let prompt: ChatPrompt
  private let pictures: [PreparedImage]
  private let pass: Admission.Pass
  private let reply: Reply

  init(
    _ service: ChatService, _ chat: ChatRequest, id: String, _ prompt: ChatPrompt, _ budgets: ChatBudgets,
    _ pictures: [PreparedImage], _ pass: Admission.Pass, _ reply: Reply
  ) {
    (self.service, self.chat, self.prompt, self.budgets) = (service, chat, prompt, budgets)
    (self.pictures, self.pass, self.reply) = (pictures, pass, reply)
    self.id = "chatcmpl-\(id)"
    created = Int(Date().timeIntervalSince1970)
    started = .now
  }

  deinit { end() }

  /// Leaves; an answer that is still being written is given up.
  func end() {
    reply.cancel()
    pass.release()
  }

  /// Gives the answer up.
  func cancel(_ reason: any Error = CancellationError()) { reply.cancel(reason) }

  /// What is new of the answer.
  func next(within time: Duration? = nil) async throws -> Reply.Event? { try await reply.next(within: time) }

  func usage(_ outcome: Reply.Outcome) -> Usage {
    Usage(
      prompt: outcome.result.promptTokens, images: max(0, outcome.result.promptTokens - prompt.textCount),
      cached: outcome.cachedRows, completion: outcome.result.tokens.count)
  }

  static func finish(_ outcome: Reply.Outcome) -> FinishReason { outcome.result.finish == .stop ? .stop : .length }

  /// What became of the pictures; nil where there are none.
  func report(_ outcome: Reply.Outcome) async throws -> VisualTokensReport? {
    if prompt.pictures.isEmpty { return nil }
    let model = service.model
    let last = outcome.result.cuts.last
    var found: [VisualTokensReport.Picture] = []
    for (index, count) in budgets.counts.enumerated() {
      let total = index < pictures.count ? model.pipeline.model.layouts(of: [pictures[index].pixels])[0].count : 0
      let kept = last.flatMap { $0.keptIndices.indices.contains(index) ? $0.keptIndices[index] : nil }
      var picture = VisualTokensReport.Picture(
        before: total, kept: kept?.count ?? min(count, total), cutLayer: last?.layer, average: try model.average(count),
        cached: outcome.cachedPictures.indices.contains(index) ? outcome.cachedPictures[index] : false)
      switch chat.visualTokens?.returned ?? .none {
      case .none: break
      case .indices: picture.kept_indices = kept ?? (count >= total ? Array(0..<total) : nil)
      case .overlay: picture.overlay = try await overlay(index, outcome)
      }
      found.append(picture)
    }
    return VisualTokensReport(reason: budgets.reason, images: found, cacheBytes: outcome.result.kvCacheBytes)
  }

  /// The picture as the model saw it, a data URI.
  private func overlay(_ index: Int, _ outcome: Reply.Outcome) async throws -> String? {
    guard let image = pictures[index].image else { return nil }
    let (model, count) = (service.model, budgets.counts[index])
    return try await service.engine.pictures.run {
      let (view, layout) = try model.pipeline.shown(image, of: self.pictures.count, side: 336)
      let merged =
        try !self.budgets.areAverages
        && model.plan([count])?.stages.contains { $0.site.decoderLayer == nil && !$0.reducer.keepsPositions } ?? false
      let overlay =
        merged
        ? TokenOverlay(layout, pooledTo: count)
        : TokenOverlay(layout, keptIndices: outcome.result.cuts.map { $0.keptIndices[index] })
      return "data:image/png;base64," + (try overlay.drawn(on: view).pngData().base64EncodedString())
    }
  }

  func completion(_ text: String, _ outcome: Reply.Outcome) async throws -> ChatCompletion {
    ChatCompletion(
      id: id, created: created, model: service.model.name, content: text, finish: Self.finish(outcome), usage: usage(outcome),
      visualTokens: try await report(outcome))
  }

  func chunk(_ content: ChatChunk.Content, _ report: VisualTokensReport? = nil) -> ChatChunk {
    ChatChunk(
      id: id, created: created, model: service.model.name, content, visualTokens: report, announcesUsage: chat.includesUsage)
  }
}
