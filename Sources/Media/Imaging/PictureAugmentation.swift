import Basics

/// Random changes of pictures in training.
///
/// They are for training on what a model itself says about a picture: labels are about the picture as it was, and a flipped picture has its left
/// on the right.
public struct PictureAugmentation: Sendable, Equatable {
  /// One kind of change, named as in torchvision and albumentations.
  public enum Change: String, Sendable, CaseIterable {
    /// Left and right change places, in every second picture.
    case horizontalFlip = "horizontal-flip"
    /// Top and bottom change places, in every second picture.
    case verticalFlip = "vertical-flip"
    /// Turned by 0, 90, 180 or 270 degrees.
    case rotate90
    /// Red, green and blue in one of their six orders.
    case channelShuffle = "channel-shuffle"
  }

  /// What is done, whatever the order here: flips first, then turns, then channels.
  public var changes: [Change]
  /// Where random numbers start.
  public var seed: UInt64

  /// Changes of these kinds; each picture gets one of each kind, which can be none.
  public init(_ changes: [Change], seed: UInt64) { (self.changes, self.seed) = (changes, seed) }

  /// The changed picture, which follows from seed, epoch, sample and number alone.
  ///
  /// - Parameters:
  ///   - image: any size; `rotate90` may exchange width and height.
  ///   - epoch: times that the data set has been gone through.
  ///   - sample: place of the picture's sample in the data set.
  ///   - number: of the picture in its sample.
  public func callAsFunction(_ image: RGBImage, epoch: Int, sample: Int, number: Int) -> RGBImage {
    var place = SplitMix64(seed: seed ^ 0x6175_676d, stream: UInt64(truncatingIfNeeded: epoch))
    var picture = SplitMix64(seed: place.next(), stream: UInt64(truncatingIfNeeded: sample))
    var random = SplitMix64(seed: picture.next(), stream: UInt64(truncatingIfNeeded: number))
    var changed = image
    for change in Change.allCases where changes.contains(change) {
      switch change {
      case .horizontalFlip: if random.next(below: 2) == 1 { changed = changed.flippedHorizontally() }
      case .verticalFlip: if random.next(below: 2) == 1 { changed = changed.flippedVertically() }
      case .rotate90: for _ in 0..<random.next(below: 4) { changed = changed.turnedClockwise() }
      case .channelShuffle: changed = changed.withChannels(random.permutation(3))
      }
    }
    return changed
  }
}

extension RGBImage {
  /// Left and right exchanged.
  func flippedHorizontally() -> RGBImage { mapped(width, height) { x, y in (width - 1 - x, y) } }

  /// Top and bottom exchanged.
  func flippedVertically() -> RGBImage { mapped(width, height) { x, y in (x, height - 1 - y) } }

  /// Turned by a quarter; width and height are exchanged.
  func turnedClockwise() -> RGBImage { mapped(height, width) { x, y in (y, height - 1 - x) } }

  /// Every pixel's samples in another order.
  ///
  /// - Parameter order: where each new sample comes from, a permutation of 0, 1, 2.
  func withChannels(_ order: [Int]) -> RGBImage {
    var changed = pixels
    for pixel in stride(from: 0, to: pixels.count, by: 3) {
      for channel in 0..<3 { changed[pixel + channel] = pixels[pixel + order[channel]] }
    }
    return RGBImage(uncheckedWidth: width, height: height, pixels: changed)
  }

  /// - Parameter source: the column and row that a new pixel comes from.
  private func mapped(_ newWidth: Int, _ newHeight: Int, _ source: (Int, Int) -> (x: Int, y: Int)) -> RGBImage {
    var changed = [UInt8](repeating: 0, count: pixels.count)
    var target = 0
    for y in 0..<newHeight {
      for x in 0..<newWidth {
        let from = source(x, y)
        let pixel = 3 * (from.y * width + from.x)
        for channel in 0..<3 { changed[target + channel] = pixels[pixel + channel] }
        target += 3
      }
    }
    return RGBImage(uncheckedWidth: newWidth, height: newHeight, pixels: changed)
  }
}
