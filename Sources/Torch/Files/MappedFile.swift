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
    guard descriptor >= 0 else { throw TensorFileError.unreadable(file: path, reason: systemError()) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw TensorFileError.unreadable(file: path, reason: systemError()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw TensorFileError.unreadable(file: path, reason: "not a file") }
    guard status.st_size >= 8 else { throw TensorFileError.truncated(file: path, found: Int(status.st_size), expected: 8) }
    count = Int(status.st_size)
    guard let map = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0), map != MAP_FAILED else {
      throw TensorFileError.unreadable(file: path, reason: systemError())
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
  /// The file's pages are let go afterwards, so that loading a model never holds more than one tensor twice.
  func tensor(_ range: Range<Int>, _ shape: [Int], _ stored: DType, as wanted: DType, on device: Device) throws -> Tensor {
    defer { forget(range) }
    let aligned = range.lowerBound % stored.size == 0
    if (wanted == stored && device == .cpu) || !aligned || range.isEmpty {
      return try Tensor.copying(bytes(range), shape, stored).to(wanted, on: device)
    }
    return try Tensor.borrowing(start + range.lowerBound, shape, stored, owner: self).to(wanted, on: device)
  }
}
