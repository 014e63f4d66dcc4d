import GoldenModels
import LLaVA
import TestSupport
import Testing
import Torch

@testable import Compression

/// Compressors before the decoder against records of their authors' code: indices exactly, merged rows to 1e-5.
@Suite struct GoldenReducerTests {
  private typealias Golden = GoldenReducers

  @Test(arguments: GoldenReducers.cases("divprune")) func divPrune(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("divprune", golden)
    let ratio = try #require(data.own.params.ratio)
    let reducer = DivPrune(semantics: .reference)
    if let after = data.own.params.textAfter {
      // The whole sequence: text before and after the image stays.
      let rows = try data.input("input_embeds").selected(0, 0)
      let kept = try data.indices("keep_indexs")
      let tokens = try #require(data.own.params.tokens)
      let count = DivPrune.count(keeping: ratio, of: tokens)
      let system = rows.size(0) - after - tokens
      let image = VisualTokens(
        site: .features, rows: SiteRows(hidden: rows, lengths: [rows.size(0)]), span: system..<system + tokens,
        layout: TokenLayout(TokenGrid(rows: 1, columns: tokens)))
      let found = try #require(Golden.reduce(reducer, count, [image])[0].kept).array(Int.self).map { $0 + system }
      #expect(Array(0..<system) + found + Array(system + tokens..<rows.size(0)) == kept)
      return
    }
    let rows = try data.input("features").unsqueezed(0)
    let (order, kept) = (try data.indices("order"), try data.indices("kept"))
    let count = DivPrune.count(keeping: ratio, of: rows.size(1))
    #expect(count == order.count && !reducer.keepsPositions)
    #expect(try DivPrune.order(rows, count).array(Int.self) == order)
    let images = try Golden.images(rows, at: .features, tower: { _ in [:] })
    #expect(try Golden.reduce(reducer, count, images)[0].kept?.array(Int.self) == kept)
  }

  /// Kernel and search, by the recorded relevance: the released one needs CLIP's text tower.
  @Test(arguments: GoldenReducers.cases("cdpruner")) func cdPruner(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("cdpruner", golden)
    let (rows, relevance) = (try data.input("projected"), try data.output("relevance"))
    let order = try CDPruner.order(rows, relevance: relevance, #require(data.own.params.budget))
    for image in 0..<rows.size(0) {
      let own = try order.selected(0, image).array(Int.self)
      #expect(try own == data.indices("greedy_order", image: image))
      #expect(try own.sorted() == data.indices("kept", image: image))
    }
  }

  @Test(arguments: GoldenReducers.cases("vispruner")) func visPruner(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("vispruner", golden)
    let (rows, attention) = (try data.input("features"), try data.input("attn_cls"))
    let count = try #require(data.own.params.budget)
    let reducer = VisPruner(importantShare: try #require(data.own.params.importantRatio), semantics: .reference)
    let order = try reducer.order(attention: attention.mean(1), rows, count)
    let images = try Golden.images(rows, at: .tower(layer: nil)) {
      [-1: try Golden.trace(attention: attention.selected(0, $0))]
    }
    for (image, found) in try Golden.reduce(reducer, count, images).enumerated() {
      let (important, diverse) = (try data.indices("important", image: image), try data.indices("diverse", image: image))
      #expect(try order.selected(0, image).array(Int.self) == important + diverse)
      #expect(try found.kept?.array(Int.self) == data.indices("kept", image: image))
    }
  }

  /// Rows of a model that has come apart: still so many tokens, each once.
  @Test func rowsThatAreNoNumbersAreTakenOnce() throws {
    for spoilt in [[3], [0, 1, 2], Array(0..<12)] {
      let rows = try Tensor.randn([1, 12, 5], generator: Generator(seed: 4))
      let nothing = try rows.rows(Tensor(spoilt), 1) * Double.nan
      let broken = try rows.scattered(1, Tensor(spoilt).reshaped([1, -1, 1]).expanded([1, spoilt.count, 5]), nothing)
      for relevance in [try Tensor.ones([1, 12]), try Tensor.ones([1, 12]) * Double.nan] {
        for found in [
          try DivPrune.order(broken, 7), try CDPruner.order(broken, relevance: relevance, 7),
          try VisPruner().order(attention: relevance, broken, 7),
        ] {
          let indices = try found.selected(0, 0).array(Int.self)
          #expect(Set(indices).count == 7 && indices.allSatisfy { (0..<12).contains($0) }, "\(indices)")
        }
      }
    }
  }

  @Test(arguments: GoldenReducers.cases("visionzip")) func visionZip(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("visionzip", golden)
    let (attention, keys, hidden) = (try data.input("attn_cls"), try data.input("keys"), try data.input("hidden"))
    let (dominant, contextual) = (try #require(data.own.params.dominant), try #require(data.own.params.contextual))
    let tokens = hidden.size(1) - 1
    // A plan cannot ask for more tokens than the picture has, the class token included.
    if dominant + contextual > tokens { return }
    for image in 0..<hidden.size(0) {
      let scores = try attention.selected(0, image).mean(0).narrow(0, from: 1, length: tokens)
      let found = try VisionZip.reduction(
        attention: scores, keys: keys.selected(0, image).mean(0).narrow(0, from: 1, length: tokens), dominant: dominant,
        contextual: contextual, .reference)
      let kept = try #require(found.kept).array(Int.self)
      // Theirs count the class token, which stands for none of the picture's.
      let best = try data.indices("all_indices", image: image).dropFirst().sorted().map { $0 - 1 }
      #expect(Array(kept[1..<dominant]) == best && Set(kept).count == kept.count)
      #expect(try Array(kept[dominant...]) == data.indices("target_indices", image: image).map { $0 - 1 })
      let rows = try hidden.selected(0, image)
      let result = try found.applied(to: rows.narrow(0, from: 1, length: tokens), classRow: rows.narrow(0, from: 0, length: 1))
      #expect(try distance(result, data.output("tokens").selected(0, image)) < 1e-5)
    }
    if data.own.inputs["layer_in"] != nil { try visionZipInATower(data, dominant, contextual) }
  }

  /// The whole way: queries and keys of a tower layer, the trace, the compressor as it is called.
  private func visionZipInATower(_ data: GoldenReducers, _ dominant: Int, _ contextual: Int) throws {
    let input = try data.input("layer_in")
    let normed = try input.layerNorm(data.input("ln1_w"), data.input("ln1_b"), epsilon: 1e-5)
    let heads = try data.input("keys").size(1)
    func projected(_ name: String) throws -> Tensor {
      try normed.linear(data.input("\(name)_w"), data.input("\(name)_b")).selected(0, 0)
        .reshaped([input.size(1), heads, -1]).transposed(0, 1)
    }
    let trace = TowerTrace(queries: try projected("q"), keys: try projected("k"), hasClassToken: true, firstToken: 1)
    let hidden = try data.input("hidden")
    let images = try Golden.images(
      hidden.narrow(1, from: 1, length: hidden.size(1) - 1), at: .tower(layer: nil), tower: { _ in [-1: trace] },
      classRows: hidden.narrow(1, from: 0, length: 1))
    let count = dominant + contextual
    let reducer = VisionZip(contextualShare: Double(contextual) / Double(count), semantics: .reference)
    let found = try Golden.reduce(reducer, count, images)[0].applied(to: images[0].hidden(), classRow: images[0].classRow)
    #expect(try distance(found, data.output("tokens").selected(0, 0)) < 1e-5)
  }

  @Test(arguments: GoldenReducers.cases("holov")) func holoV(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("holov", golden)
    let (rows, attention) = (try data.input("tokens"), try data.input("attention"))
    let count = try #require(data.own.params.budget)
    let reducer = try HoloV(groups: #require(data.own.params.groups), semantics: .reference)
    let images = try Golden.images(rows, at: .features) {
      [-1: try Golden.trace(attention: attention.selected(0, $0).unsqueezed(0))]
    }
    for (image, found) in try Golden.reduce(reducer, count, images).enumerated() {
      let own = try rows.selected(0, image)
      let scores = try attention.selected(0, image).array(Float.self)
      let groups = try reducer.scores(HoloV.runs(own.size(0), reducer.groups), scores, own)
      #expect(try distance(Tensor(groups), data.output("group_score").selected(0, image)) < 1e-3)
      let expected = try data.indices("kept", image: image)
      #expect(try reducer.choose(count, attention: scores, own).map { $0 ?? -1 } == expected)
      let kept = try #require(found.kept).array(Int.self)
      #expect(Set(kept).count == count && zip(kept, expected).allSatisfy { $1 < 0 || $0 == $1 })
      #expect(try distance(found.applied(to: own), data.output("output").selected(0, image)) == 0)
    }
  }

  @Test(arguments: GoldenReducers.cases("prumerge")) func pruMerge(_ golden: GoldenCase<GoldenReducers.Case>) throws {
    let data = try Golden("prumerge", golden)
    let (rows, queries, keys) = (try data.input("features"), try data.input("q_cls"), try data.input("keys"))
    let (isPlus, isAdaptive) = (try #require(data.own.params.plus), try #require(data.own.params.adaptive))
    let reducer = PruMerge(samplesGrid: isPlus, semantics: .reference)
    let traces = try (0..<rows.size(0)).map { image in
      TowerTrace(
        queries: try queries.selected(0, image).reshaped([1, 1, -1]), keys: try keys.selected(0, image).unsqueezed(0),
        hasClassToken: true, firstToken: 1)
    }
    let images = try Golden.images(rows, at: .tower(layer: nil)) { [ReducerNeeds.layerBehindTower: traces[$0]] }
    for (image, tokens) in images.enumerated() {
      let attention = try traces[image].undividedClassAttention()
      #expect(try distance(attention, data.output("cls_attention").selected(0, image)) < 1e-6)
      let (kept, dropped) = (try data.indices("kept", image: image), try data.indices("dropped", image: image))
      let byAttention = try #require(data.own.params.byAttention)
      #expect(try attention.top(byAttention).indices.array(Int.self) == Array(kept.prefix(byAttention)))
      let found: Reduction
      if isPlus, isAdaptive {
        // How many are kept follows from the picture there, so the rows alone can be compared.
        found = try reducer.reduction(Tensor(kept), Tensor(dropped), attention: attention, keys: traces[image].wholeKeys())
      } else {
        let split = try reducer.split(kept.count, ranking: attention)
        #expect(try split.kept.array(Int.self) == kept && split.dropped.array(Int.self) == dropped)
        found = try Golden.reduce(reducer, kept.count + 1, [tokens])[0]
      }
      #expect(try distance(found.applied(to: rows.selected(0, image)), data.output("output").selected(0, image)) < 1e-5)
    }
  }
}
