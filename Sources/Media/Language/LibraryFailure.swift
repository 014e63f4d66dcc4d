/// What a C library said about a failure, on one line.
struct LibraryFailure: Error { let message: String }

/// Runs a C function that returns 0, or writes a message of at most as many bytes as it is told.
func checked(_ body: (UnsafeMutablePointer<CChar>?, Int) -> Int32) throws(LibraryFailure) {
  var message = [CChar](repeating: 0, count: 512)
  if body(&message, message.count) != 0 {
    // One line, because it becomes part of a one-line message.
    let bytes = message.prefix { $0 != 0 }.map { $0 == 0x0A ? 0x20 : UInt8(bitPattern: $0) }
    throw LibraryFailure(message: String(decoding: bytes, as: UTF8.self))
  }
}
