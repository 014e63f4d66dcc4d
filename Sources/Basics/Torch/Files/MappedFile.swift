import Basics
import Foundation

/// A file's bytes, mapped into memory for as long as this object lives.
///
/// Pages are private: writing to them never reaches the file.
final class MappedFile: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  let count: Int

  init(_ url: URL) throws {
    let path = url.path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw TensorFileError.unreadable(file: path, reason: systemReason()) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw TensorFileError.unreadable(file: path, reason: systemReason()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw TensorFileError.unreadable(file: path, reason: "not a file") }
    guard status.st_size >= 8 else { throw TensorFileError.truncated(file: path, found: Int(status.st_size), expected: 8) }
    count = Int(status.st_size)
    guard let map = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0), map != MAP_FAILED else {
      throw TensorFileError.unreadable(file: path, reason: systemReason())
    }
    start = map
  }

  deinit { munmap(start, count) }

  func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start + range.lowerBound, count: range.count)
  }

  /// Drops the pages that lie wholly inside `range` from memory; they are read again where touched again.
  func forget(_ range: Range<Int>) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (range.lowerBound + page - 1) / page * page
    let last = range.upperBound / page * page
    if first < last { madvise(start + first, last - first, MADV_DONTNEED) }
  }

  /// The elements in `range` as a tensor with memory of its own, in the wanted dtype and on the device.
  ///
  /// Goes piece by piece and lets the file's pages go after each, so that loading a model takes little more memory than the model.
  func tensor(_ range: Range<Int>, _ shape: [Int], _ stored: DType, as wanted: DType, on device: Device) throws -> Tensor {
    if range.lowerBound % stored.size != 0 || range.isEmpty {
      return try Tensor.copying(bytes(range), shape, stored).to(wanted, on: device)
    }
    return try withoutGradient {
      let result = try Tensor.empty(shape, wanted, on: device)
      let flat = try result.reshaped([-1])
      let count = range.count / stored.size
      for first in stride(from: 0, to: count, by: Self.elementsAtOnce) {
        let length = min(Self.elementsAtOnce, count - first)
        let begin = range.lowerBound + first * stored.size
        let piece = try Tensor.borrowing(start + begin, [length], stored, owner: self)
        try flat.narrow(0, from: first, length: length).copyInPlace(from: piece)
        forget(begin..<begin + length * stored.size)
      }
      return result
    }
  }

  private static let elementsAtOnce = 1 << 22
}
