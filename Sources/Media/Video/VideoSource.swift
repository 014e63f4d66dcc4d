import Basics
import CVideoCodecs
import Foundation

/// The bytes of a video: an open file, memory, or a pipe; there as long as this is.
package final class Source {
  /// What the C side reads.
  package let bytes: EpicVideoSource
  private let memory: UnsafeMutableBufferPointer<UInt8>?
  /// A pipe, which somebody else opened and closes.
  private let pipe: FileHandle?

  private init(file: Int32, count: Int) {
    (memory, pipe) = (nil, nil)
    bytes = EpicVideoSource(data: nil, file: file, count: Int64(count))
  }

  /// A pipe of an unknown length.
  init(pipe: FileHandle) {
    memory = nil
    self.pipe = pipe
    bytes = EpicVideoSource(data: nil, file: pipe.fileDescriptor, count: -1)
  }

  /// A copy of bytes in memory.
  package init(_ data: [UInt8]) {
    let room = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: data.count)
    _ = room.initialize(from: data)
    memory = room
    pipe = nil
    bytes = EpicVideoSource(data: UnsafePointer(room.baseAddress), file: -1, count: Int64(data.count))
  }

  /// A regular file; the size is checked on the open file, and a pipe or device never makes the call wait.
  package static func file(_ url: URL, _ limits: VideoLimits) throws -> Source {
    let name = url.relativePath
    func failure(_ reason: String = systemReason()) -> VideoError { .unreadable(file: name, reason: reason) }
    guard url.isFileURL else { throw failure("not a file URL") }
    let file = open(url.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    if file < 0 { throw failure() }
    var status = stat()
    let found: VideoError? =
      if fstat(file, &status) != 0 {
        failure()
      } else if status.st_mode & S_IFMT == S_IFDIR {
        failure("it is a folder")
      } else if status.st_mode & S_IFMT != S_IFREG {
        failure("it is not a regular file")
      } else if status.st_size == 0 {
        .emptyFile(file: name)
      } else if Int(status.st_size) > limits.maximumBytes {
        .tooManyBytes(file: name, found: Int(status.st_size), limit: limits.maximumBytes)
      } else {
        nil
      }
    if let found {
      close(file)
      throw found
    }
    return Source(file: file, count: Int(status.st_size))
  }

  deinit {
    if bytes.file >= 0, pipe == nil { close(bytes.file) }
    memory?.deallocate()
  }
}

extension VideoError {
  /// What the C side found.
  init(_ message: EpicVideoMessage, _ file: String, _ limits: VideoLimits) {
    let reason = withUnsafeBytes(of: message.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    self =
      switch message.kind {
      case EPIC_VIDEO_NOT_A_VIDEO: .notAVideo(file: file, reason: reason)
      case EPIC_VIDEO_UNSUPPORTED: .unsupportedCodec(file: file, codec: reason)
      case EPIC_VIDEO_NO_FRAMES: .noFrames(file: file)
      case EPIC_VIDEO_TOO_LARGE: .tooManyPixels(file: file, reason: reason, limit: limits)
      case EPIC_VIDEO_TOO_LONG: .tooLong(file: file, seconds: reason, limit: limits.maximumSeconds)
      case EPIC_VIDEO_TOO_MANY_FRAMES: .tooManyFrames(file: file, limit: limits.maximumFrames)
      default: .damaged(file: file, reason: reason)
      }
  }
}
