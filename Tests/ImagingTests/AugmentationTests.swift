import Testing

@testable import Imaging

/// Random changes of pictures that are trained on.
@Suite struct AugmentationTests {
  /// Five by three pixels, no two of which are alike.
  private func picture() throws -> RGBImage {
    try RGBImage(width: 5, height: 3, pixels: (0..<45).map { UInt8($0 * 5) })
  }

  private func pixel(_ image: RGBImage, _ x: Int, _ y: Int) -> [UInt8] {
    Array(image.pixels[3 * (y * image.width + x)..<3 * (y * image.width + x) + 3])
  }

  /// Every pixel goes where it should, and what is undone is undone.
  @Test func flipsAndTurnsMovePixels() throws {
    let picture = try picture()
    let (mirrored, upended, turned) = (
      picture.flippedHorizontally(), picture.flippedVertically(), picture.turnedClockwise()
    )
    #expect(turned.width == 3 && turned.height == 5)
    for y in 0..<3 {
      for x in 0..<5 {
        #expect(pixel(mirrored, 4 - x, y) == pixel(picture, x, y))
        #expect(pixel(upended, x, 2 - y) == pixel(picture, x, y))
        #expect(pixel(turned, 2 - y, x) == pixel(picture, x, y))
      }
    }
    #expect(mirrored.flippedHorizontally() == picture && upended.flippedVertically() == picture)
    #expect(mirrored.flippedVertically() == turned.turnedClockwise())
    #expect(turned.turnedClockwise().turnedClockwise().turnedClockwise() == picture)
  }

  @Test func channelsChangePlaces() throws {
    let picture = try picture()
    let changed = picture.withChannels([2, 0, 1])
    for y in 0..<3 {
      for x in 0..<5 {
        let (old, new) = (pixel(picture, x, y), pixel(changed, x, y))
        #expect(new == [old[2], old[0], old[1]])
      }
    }
  }

  /// Changes, and how many different pictures they make of one.
  private static let kinds: [([PictureAugmentation.Change], Int)] = [
    ([.horizontalFlip], 2), ([.verticalFlip], 2), ([.rotate90], 4), ([.channelShuffle], 6),
    ([.rotate90, .horizontalFlip, .verticalFlip], 8), ([.channelShuffle, .verticalFlip, .rotate90, .horizontalFlip], 48), ([], 1),
  ]

  /// All changes of the kinds that are asked for come equally often, and no others.
  @Test(arguments: kinds) func everyChangeIsAsLikely(_ changes: [PictureAugmentation.Change], _ kinds: Int) throws {
    let picture = try picture()
    let augmentation = PictureAugmentation(changes, seed: 3)
    var counts: [[UInt8]: Int] = [:]
    for draw in 0..<200 * kinds {
      let found = augmentation(picture, epoch: draw % 7, sample: draw / 7, number: 0)
      counts[found.pixels + [UInt8(found.width)], default: 0] += 1
      #expect(found.pixels.sorted() == picture.pixels.sorted())
    }
    // Their deviation is 14 at most; the numbers follow from the seed.
    #expect(counts.count == kinds && counts.values.allSatisfy { abs($0 - 200) < 60 }, "\(counts.values.sorted())")
  }

  /// A change follows from seed, epoch, sample and number, whatever the order of the list.
  @Test func changesFollowFromThePlace() throws {
    let picture = try picture()
    func all(_ augmentation: PictureAugmentation, _ epoch: Int = 0, _ number: Int = 0) -> [RGBImage] {
      (0..<40).map { augmentation(picture, epoch: epoch, sample: $0, number: number) }
    }
    let changes = PictureAugmentation.Change.allCases
    let first = all(PictureAugmentation(changes, seed: 1))
    #expect(all(PictureAugmentation(changes.reversed(), seed: 1)) == first)
    #expect(all(PictureAugmentation(changes, seed: 2)) != first)
    #expect(all(PictureAugmentation(changes, seed: 1), 1) != first && all(PictureAugmentation(changes, seed: 1), 0, 1) != first)
  }
}
