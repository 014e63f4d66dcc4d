import Basics
import CTorch
import Foundation

/// Runs `body` and writes what libtorch did meanwhile, and when: each operator, each span, each tensor on its way to another process.
///
/// The file holds Chrome's trace events, as chrome://tracing and https://ui.perfetto.dev show them. It is libtorch's own profiler (Kineto)
/// that records: on the CPU, and on a GPU where there is one. Recording costs time, more the smaller the tensors are. Only one trace is
/// recorded at a time.
///
/// ```swift
/// let answer = try traced(to: URL(filePath: "trace.json")) { try span("answer") { try pipeline.answer(request) } }
/// ```
///
/// - Parameters:
///   - url: the file, in place of one that may be there; none is written where `body` throws.
///   - body: what is recorded; all of it on the thread that calls.
/// - Throws: `TorchError.operatorFailed` where nothing can be recorded or written, `FileError.failed`, and what `body` throws.
public func traced<Result>(to url: URL, _ body: () throws -> Result) throws -> Result {
  try check(ct_trace_start(), "recording a trace")
  let outcome = Swift.Result { try body() }
  guard case .success(let result) = outcome else {
    _ = ct_trace_stop(nil)
    return try outcome.get()
  }
  let partial = PartialName.place(beside: url)
  try check(ct_trace_stop(partial.path), "writing a trace")
  guard rename(partial.path, url.path) == 0 else { throw FileError.failed(path: url.relativePath, reason: systemReason()) }
  return result
}

/// Names a part of a trace; costs next to nothing where none is recorded.
///
/// - Throws: what `body` throws.
public func span<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
  let span = ct_span_start(name)
  defer { ct_span_end(span) }
  return try body()
}
