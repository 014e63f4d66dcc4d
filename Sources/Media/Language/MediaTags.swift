import Basics

/// Marks where a video belongs in a text.
public let videoTag = "<video>"

/// Something that is seen.
public enum Medium: Sendable, Equatable {
  /// A picture.
  case image
  /// A video.
  case video
}

/// Which medium each tag of some texts stands for.
///
/// 1. Without videos, texts stay as they are, and a literal `<video>` is text like any other.
/// 2. `<video>` stands for a video. `<image>` stands for a picture, and in texts without `<video>`, as data sets of videos have them, for
///    whatever there is: pictures first.
/// 3. Further in all media are marked by `<image>`, as they are alike there: rows between words.
public struct MediaTags: Sendable, Equatable {
  /// The texts, each medium marked by `<image>`.
  public let texts: [String]
  /// What stands at the tags; as many as there are media, and where tags are missing those left over at the end.
  public let media: [Medium]

  /// Finds what the tags of texts stand for.
  public init(_ texts: [String], images: Int, videos: Int) {
    let all = Array(repeating: Medium.image, count: max(0, images)) + Array(repeating: .video, count: max(0, videos))
    guard videos > 0, texts.contains(where: { split($0, separator: videoTag).count > 1 }) else {
      (self.texts, media) = (texts, all)
      return
    }
    var left = (images: max(0, images), videos: max(0, videos))
    var found: [Medium] = []
    self.texts = texts.map { text in
      for (index, part) in split(text, separator: videoTag).enumerated() {
        if index > 0, left.videos > 0 {
          left.videos -= 1
          found.append(.video)
        }
        let pictures = min(left.images, split(part, separator: imageTag).count - 1)
        left.images -= pictures
        found += Array(repeating: .image, count: pictures)
      }
      return split(text, separator: videoTag).joined(separator: imageTag)
    }
    media =
      found + Array(repeating: .image, count: left.images) + Array(repeating: .video, count: left.videos)
  }
}
