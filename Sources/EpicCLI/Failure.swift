import ArgumentParser
import Basics
import Foundation

/// Input that is given in no file and is wrong.
struct InputError: Error, CustomStringConvertible {
  let description: String
}

/// Runs a check of an option's value, whose errors are wrong usage.
func checkOption<T>(_ option: String, _ check: () throws -> T) throws -> T {
  do {
    return try check()
  } catch {
    throw ValidationError("\(option): \(describe(error))")
  }
}

/// One sentence for an error: its own description, or file and reason for errors of Foundation.
func describe(_ error: any Error) -> String {
  guard let error = error as? CocoaError else { return "\(error)" }
  return (error.filePath ?? error.url?.path).map { "\($0): \(systemReason(error))" } ?? systemReason(error)
}

/// Text on one line, without characters that command a terminal: names in files may hold anything.
func oneLine(_ text: String) -> String {
  let plain = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) }
  return String(plain).split(separator: " ").joined(separator: " ")
}
