import Basics

/// Marks where a video belongs in a text.
public let videoTag = "<video>"

/// Marks where sound belongs in a text.
public let audioTag = "<audio>"

/// Something that is seen or heard.
public enum Medium: Sendable, Equatable {
  /// A picture.
  case image
  /// A video.
  case video
  /// Sound.
  case audio
}

/// Which medium each tag of some texts stands for.
///
/// 1. Without videos, texts stay as they are, and a literal `<video>` is text like any other; so with sound and `<audio>`.
/// 2. `<video>` stands for a video, `<audio>` for sound. `<image>` stands for a picture, and in texts without these two, as data sets of videos have them,
///    for whatever there is: pictures first.
/// 3. Further in all media are marked by `<image>`, as they are alike there: rows between words.
public struct MediaTags: Sendable, Equatable {
  /// The texts, each medium marked by `<image>`.
  public let texts: [String]
  /// What stands at the tags; as many as there are media, and where tags are missing those left over at the end.
  public let media: [Medium]

  /// Finds what the tags of texts stand for.
  ///
  /// - Parameter audio: how many sounds there are, whose tag is `<audio>`; with sound there are no videos, as no model takes both.
  public init(_ texts: [String], images: Int, videos: Int, audio: Int = 0) {
    let (tag, medium, count) = audio > 0 ? (audioTag, Medium.audio, audio) : (videoTag, .video, max(0, videos))
    let all = Array(repeating: Medium.image, count: max(0, images)) + Array(repeating: medium, count: count)
    guard count > 0, texts.contains(where: { split($0, separator: tag).count > 1 }) else {
      (self.texts, media) = (texts, all)
      return
    }
    var left = (images: max(0, images), others: count)
    var found: [Medium] = []
    self.texts = texts.map { text in
      for (index, part) in split(text, separator: tag).enumerated() {
        if index > 0, left.others > 0 {
          left.others -= 1
          found.append(medium)
        }
        let pictures = min(left.images, split(part, separator: imageTag).count - 1)
        left.images -= pictures
        found += Array(repeating: .image, count: pictures)
      }
      return split(text, separator: tag).joined(separator: imageTag)
    }
    media =
      found + Array(repeating: .image, count: left.images) + Array(repeating: medium, count: left.others)
  }
}
