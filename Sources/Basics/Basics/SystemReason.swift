/// Small things that many rooms need and that belong to none of them: how the system words a failure.
import Foundation

/// The system's words for an error number, `errno` where none is given: "No space left on device".
public func systemReason(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

/// The system's words for a failed file operation, without Foundation's around them.
public func systemReason(_ error: any Error) -> String {
  if case FileError.failed(_, let reason) = error { return reason }
  let underlying = ((error as? CocoaError)?.underlying ?? error) as NSError
  return underlying.domain == NSPOSIXErrorDomain
    ? systemReason(Int32(truncatingIfNeeded: underlying.code)) : error.localizedDescription
}
