import Imaging
import Testing

@testable import Shapes

/// What scenes hold, how they are drawn, and what their patches are labelled with.
@Suite struct SceneTests {
  static func scene(_ index: UInt64) -> Scene {
    var generator = SceneGenerator(seed: 5, stream: index)
    return Scene(using: &generator)
  }

  /// Published values of SplitMix64 for the seed 1234567.
  @Test func generatorIsSplitMix64() {
    var generator = SceneGenerator(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in generator.next() } == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
  }

  @Test func numbersAreEvenlySpread() {
    var generator = SceneGenerator(seed: 3)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[generator.below(7)] += 1 }
    // Deviation of each is 93.
    #expect(counts.allSatisfy { abs($0 - 10_000) < 450 }, "\(counts)")
    #expect(Set(generator.shuffled(Array(0..<50))) == Set(0..<50))
  }

  @Test func scenesAreWhatTheyShouldBe() {
    var (counts, colors, signs) = ([Int: Int](), [ShapeColor: Int](), Set<Character>())
    for index in 0..<2000 {
      let scene = Self.scene(UInt64(index))
      let cells = scene.objects.map(\.cell)
      #expect(Set(cells).count == cells.count && Set(cells).isDisjoint(with: scene.sign.cells))
      #expect(scene.sign.text.count == 3 && scene.sign.cells.allSatisfy { (0..<3).contains($0.column) })
      counts[scene.objects.count, default: 0] += 1
      for object in scene.objects { colors[object.color, default: 0] += 1 }
      signs.formUnion(scene.sign.text)
    }
    #expect(Set(counts.keys) == [2, 3, 4, 5] && counts.values.allSatisfy { abs($0 - 500) < 100 })
    #expect(colors.count == 5 && colors.values.allSatisfy { abs($0 - 1400) < 200 })
    #expect(signs == Set(Glyph.characters))
  }

  /// Areas by sampling against closed forms.
  @Test(arguments: ShapeKind.allCases) func outlinesHaveTheirAreas(_ shape: ShapeKind) {
    let (r, step) = (10.0, 0.05)
    var inside = 0
    for y in stride(from: -12, to: 12, by: step) {
      for x in stride(from: -12, to: 12, by: step) where shape.covers(x + step / 2, y + step / 2, r: r) { inside += 1 }
    }
    let area = Double(inside) * step * step
    let expected =
      switch shape {
      case .circle: 3.14159265 * r * r
      case .square: 1.7 * r * 1.7 * r
      case .triangle: 0.5 * 2 * r * 1.8 * r
      case .cross: 2 * (2 * r * 0.72 * r) - 0.72 * r * 0.72 * r
      }
    #expect(abs(area - expected) < 0.01 * expected)
  }

  /// The first pictures of a seed, by a hash of their pixels (FNV-1a): the same on every machine.
  @Test func picturesAreTheSameEverywhere() throws {
    let hashes = try (0..<3).map { index in
      try Self.scene(UInt64(index)).draw().pixels.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
        ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3
      }
    }
    #expect(hashes == Self.hashes, "\(hashes)")
  }

  private static let hashes: [UInt64] = [3_722_513_026_584_897_013, 7_430_942_280_631_694_330, 5_276_405_073_568_380_218]

  /// The middle of an object has its colour, a plain one's at least; the sign is bright; the noise is as strong as it should be.
  @Test func objectsHaveTheirColors() throws {
    for index in 0..<50 {
      let scene = Self.scene(UInt64(index))
      let picture = try scene.draw()
      func pixel(_ x: Int, _ y: Int) -> [Int] { (0..<3).map { Int(picture.pixels[(y * 96 + x) * 3 + $0]) } }
      for object in scene.objects where object.pattern == .plain {
        let found = pixel(object.cell.column * 32 + 16 + object.dx, object.cell.row * 32 + 16 + object.dy)
        for (value, (own, shade)) in zip(found, zip(object.color.rgb, object.shade)) {
          #expect(abs(value - min(255, max(0, own + shade))) <= 30, "\(object.color) in scene \(index)")
        }
      }
      #expect(pixel(scene.plaque.x + 1, scene.plaque.y + 1).allSatisfy { $0 > 175 })
    }
  }

  @Test func patchesOfObjectsAreLabelled() {
    for index in 0..<200 {
      let scene = Self.scene(UInt64(index))
      let labels = PatchLabels(scene)
      for row in 0..<12 {
        for column in 0..<12 {
          let patch = row * 12 + column
          let cell = Cell(row: row / 4, column: column / 4)
          let object = scene.objects.first { $0.cell == cell }
          func word(_ group: PatchLabels.Group) -> String? {
            let value = labels.classes(group)[patch]
            return value < 0 ? nil : PatchLabels.words(group)[value]
          }
          #expect(word(.color) == object?.color.rawValue && word(.shape) == object?.shape.rawValue)
          #expect(word(.size) == object?.size.rawValue && word(.pattern) == object?.pattern.rawValue)
          let isSign = scene.sign.cells.contains(cell)
          #expect(word(.kind) == (object != nil ? "object" : isSign ? "sign" : nil))
          #expect(word(.cell) == (object != nil || isSign ? cell.words : nil))
          #expect((word(.glyph) == nil) == (word(.order) == nil) && (isSign || word(.glyph) == nil))
        }
      }
    }
  }

  /// Every character has several patches, and patches that are labelled with one have ink in them.
  @Test func patchesOfCharactersAreLabelled() throws {
    for index in 0..<60 {
      let scene = Self.scene(UInt64(index))
      let labels = PatchLabels(scene)
      let picture = try scene.draw()
      for (order, character) in scene.sign.text.enumerated() {
        let patches = (0..<144).filter { labels.classes(.order)[$0] == order }
        #expect((4...12).contains(patches.count))
        let glyphs = patches.map { Glyph.characters[labels.classes(.glyph)[$0]] }
        #expect(glyphs.allSatisfy { $0 == character })
        let ink = patches.reduce(0) { sum, patch in
          sum + (0..<64).count { picture.pixels[((patch / 12 * 8 + $0 / 8) * 96 + patch % 12 * 8 + $0 % 8) * 3] < 90 }
        }
        let dots = (0..<35).count {
          Glyph.hasDot(Glyph.characters.firstIndex(of: character) ?? 0, row: $0 / 5, column: $0 % 5)
        }
        // Nine pixels for each dot, of which a few lie in patches of the neighbour.
        #expect(Double(ink) > 0.5 * Double(9 * dots) && ink <= 9 * dots + 90)
      }
    }
  }
}
