import ArgumentParser
import Compression
import Foundation
import LLaVA

extension BudgetRule: ExpressibleByArgument {}

/// How a number of tokens is decided where an average alone is given.
struct BudgetOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How --keep auto:64 decides what a picture is worth; needs `epic fit` once.", valueName: "rule"))
  var budgetRule = BudgetRule.byVariety

  /// What a strategy is to be told to leave an average of a usual picture's tokens.
  ///
  /// - Parameter folder: of the checkpoint, which holds the fits.
  func options(average: Int, layer: Int, in folder: URL, _ configuration: LLaVAConfiguration) throws -> [String: String] {
    let total = configuration.pictureLayout.counted
    if !(1...total).contains(average) { throw ValidationError("--keep: auto:\(average), expected auto:1 to auto:\(total)") }
    let threshold = try checkOption("--keep auto:\(average)") {
      try BudgetFits(from: folder).fit(budgetRule, layer: layer).threshold(forShare: Double(average) / Double(total))
    }
    return ["rule": budgetRule.rawValue, "threshold": String(format: "%.6g", threshold)]
  }
}

/// A number of visual tokens to keep, or an average over pictures and questions: `64`, `auto:64`.
enum KeptNumber: ExpressibleByArgument, Hashable, Sendable {
  case number(Int)
  case average(Int)

  init?(argument: String) {
    if let number = Int(argument) {
      self = .number(number)
    } else if argument.hasPrefix("auto:"), let average = Int(argument.dropFirst(5)) {
      self = .average(average)
    } else {
      return nil
    }
  }

  var number: Int? { if case .number(let number) = self { number } else { nil } }
  var average: Int? { if case .average(let average) = self { average } else { nil } }

  /// The number, whichever it is.
  var value: Int {
    switch self {
    case .number(let value), .average(let value): value
    }
  }
}
