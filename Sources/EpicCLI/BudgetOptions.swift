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

  /// What a compressor is to be told to leave an average of a usual picture's tokens.
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

/// A number of visual tokens to keep, a share of them, or an average over pictures and questions: `64`, `11%`, `auto:64`.
enum KeptNumber: ExpressibleByArgument, Hashable, Sendable {
  case number(Int)
  case average(Int)
  /// In percent.
  case share(Double)

  init?(argument: String) {
    if let number = Int(argument) {
      self = .number(number)
    } else if argument.hasPrefix("auto:"), let average = Int(argument.dropFirst(5)) {
      self = .average(average)
    } else if argument.hasSuffix("%"), let share = Double(argument.dropLast()), share >= 0, share <= 100 {
      self = .share(share)
    } else {
      return nil
    }
  }

  var number: Int? { if case .number(let number) = self { number } else { nil } }
  var average: Int? { if case .average(let average) = self { average } else { nil } }
  var share: Double? { if case .share(let share) = self { share } else { nil } }

  /// The number, whichever it is; nil for a share.
  var value: Int? {
    switch self {
    case .number(let value), .average(let value): value
    case .share: nil
    }
  }
}
