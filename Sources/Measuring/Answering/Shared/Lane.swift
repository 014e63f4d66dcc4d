import LLaVA
import Torch

/// Room for one question under all plans: a cache for each, which hold what all questions about a picture have in common.
///
/// A cache holds the text before the picture in every layer, then the picture as the plan sees it: all of it in layers before the cut;
/// what the plan keeps behind it, where that does not depend on the question; nothing where it does. After each question the
/// caches are brought back to that.
final class Lane {
  /// The uncompressed picture, up to the last layer that any plan needs.
  let trunk: KeyValueCache
  /// By plan; the plan without compression has the trunk.
  let caches: [KeyValueCache]
  /// The picture that the caches hold.
  var picture: ReadPicture?
  /// The caches with the text before the picture alone, and with the picture; the trunk's first.
  private var textMarks: [KeyValueCache.Mark] = []
  private var pictureMarks: [KeyValueCache.Mark] = []

  init(_ model: LLaVAModel, _ plans: [AnswerPlan]) throws {
    func cache() throws -> KeyValueCache {
      try KeyValueCache(model.configuration.text, capacity: 0, model.dtype, on: model.device)
    }
    let trunk = try cache()
    self.trunk = trunk
    caches = try plans.map { $0.compression == nil ? trunk : try cache() }
  }

  private var all: [KeyValueCache] { [trunk] + caches }

  /// Caches of their own, the trunk's first.
  private var distinct: [KeyValueCache] { [trunk] + caches.filter { $0 !== trunk } }

  /// Takes over the text before the picture from a cache that holds nothing else.
  func takeText(from text: KeyValueCache, layers: Int) throws {
    let empty = text.mark
    for cache in distinct {
      cache.rewind(to: .nothing(layers: layers))
      try cache.copyTokens(0..<text.count(layer: 0), layers: 0..<layers, from: text)
      cache.rewind(to: empty)
    }
    picture = nil
    textMarks = all.map(\.mark)
    pictureMarks = textMarks
  }

  /// Forgets the picture.
  func rewindToText() {
    for (cache, mark) in zip(all, textMarks) { cache.rewind(to: mark) }
    picture = nil
  }

  /// Forgets the question.
  func rewindToPicture() { for (cache, mark) in zip(all, pictureMarks) { cache.rewind(to: mark) } }

  /// Says that the caches now hold a picture.
  func hold(_ picture: ReadPicture) {
    self.picture = picture
    pictureMarks = all.map(\.mark)
  }

  /// Takes over a picture that another lane holds.
  func takePicture(from other: Lane) throws {
    rewindToText()
    for (index, cache) in all.enumerated() where index == 0 || cache !== trunk {
      let (source, mark) = (other.all[index], other.pictureMarks[index])
      for (layer, count) in mark.counts.enumerated() {
        try cache.copyTokens(textMarks[index].counts[layer]..<count, layers: layer..<layer + 1, from: source)
      }
      cache.rewind(to: mark)
    }
    picture = other.picture
    pictureMarks = all.map(\.mark)
  }
}

/// What is known of a picture beside its keys and values.
struct ReadPicture {
  let key: String
  let seed: UInt64
  /// Visual tokens before any is dropped.
  let tokens: Int
  /// For each cut at which some plan reads the question, the picture's rows as the layer before it left them.
  var rows: [Int: TrunkState] = [:]
  /// For each plan whose choice does not depend on the question the tokens that it keeps, ascending.
  var kept: [Int: Tensor] = [:]
}
