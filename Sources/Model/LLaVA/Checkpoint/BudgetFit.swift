import Basics
import Compression
import Foundation

/// What a rule measured on some pictures and questions, from which the threshold for any average follows.
///
/// Kept in a small file beside the checkpoint, `budgets.json`.
public struct BudgetFit: Sendable, Equatable, Codable {
  /// The rule.
  public var rule: BudgetRule
  /// Decoder layers before the cut; what is measured by information depends on it.
  public var layer: Int
  /// Pictures and questions.
  public var samples: Int
  /// What was measured, ascending, at equal steps of its distribution, the smallest and the largest among them.
  public var quantiles: [Double]

  /// The file's name in a folder.
  public static let fileName = "budgets.json"

  /// A fit to what a rule measured in images.
  ///
  /// - Throws: `BudgetError.nothing` for no image.
  public init(_ rule: BudgetRule, layer: Int, measured: [[Double]]) throws {
    let all = measured.flatMap(\.self).sorted()
    guard let first = all.first else { throw BudgetError.nothing(nil) }
    let steps = 1000
    quantiles = (0...steps).map { step in
      let place = Double(step) / Double(steps) * Double(all.count - 1)
      let low = Int(place)
      let high = min(low + 1, all.count - 1)
      return all[low] + (all[high] - all[low]) * (place - Double(low))
    }
    if all.count == 1 { quantiles = [first] }
    (self.rule, self.layer, samples) = (rule, layer, measured.count)
  }

  /// The threshold at which images keep this share of their tokens on average.
  ///
  /// - Throws: `BudgetError.share` outside of 0...1.
  public func threshold(forShare share: Double) throws -> Double {
    guard share > 0, share <= 1, let low = quantiles.first, let high = quantiles.last else { throw BudgetError.share(share) }
    func mean(_ threshold: Double) -> Double {
      quantiles.reduce(0) { $0 + rule.share([$1], threshold: threshold, of: 1) } / Double(quantiles.count)
    }
    // By variety the share falls with the threshold, by information it rises.
    var (least, most) =
      rule == .byVariety ? (high, low - 1e-6 * max(1, abs(low))) : (0, exp2(high))
    for _ in 0..<100 {
      let middle = (least + most) / 2
      if mean(middle) < share { least = middle } else { most = middle }
    }
    return most
  }
}

/// Fits of rules to one model: the file.
public struct BudgetFits: Sendable, Equatable, Codable {
  /// One for each rule and layer.
  public var fits: [BudgetFit]

  /// Some fits.
  public init(_ fits: [BudgetFit] = []) { self.fits = fits }

  /// Reads the file of a folder.
  ///
  /// - Throws: `BudgetError.missing`, `.malformed`.
  public init(from folder: URL) throws {
    let url = folder.appending(path: BudgetFit.fileName)
    guard FileManager.default.fileExists(atPath: url.path) else { throw BudgetError.missing(path: url.relativePath) }
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: url))
    } catch {
      throw BudgetError.malformed(path: url.relativePath, reason: systemReason(error))
    }
    let areSound = fits.allSatisfy { fit in
      !fit.quantiles.isEmpty && fit.quantiles.allSatisfy(\.isFinite)
        && zip(fit.quantiles, fit.quantiles.dropFirst()).allSatisfy(<=)
    }
    if !areSound { throw BudgetError.malformed(path: url.relativePath, reason: "quantiles are not in order") }
  }

  /// The fit of a rule for cuts after so many layers.
  ///
  /// - Throws: `BudgetError.unfitted`.
  public func fit(_ rule: BudgetRule, layer: Int) throws -> BudgetFit {
    guard let found = fits.first(where: { $0.rule == rule && ($0.layer == layer || rule == .byVariety) }) else {
      throw BudgetError.unfitted(rule: rule.rawValue, layer: layer)
    }
    return found
  }

  /// Writes the file; fits of other rules and layers that it holds stay.
  ///
  /// - Throws: `FileError`; `BudgetError.malformed` for a file that is there and is none.
  public func write(into folder: URL) throws {
    var all: [BudgetFit] = []
    do { all = try BudgetFits(from: folder).fits } catch BudgetError.missing {}
    all.removeAll { old in fits.contains { $0.rule == old.rule && $0.layer == old.layer } }
    try WholeFile.write(json: BudgetFits(all + fits), to: folder.appending(path: BudgetFit.fileName), pretty: true)
  }
}

/// Why a budget cannot be found.
public enum BudgetError: Error, Equatable, CustomStringConvertible {
  /// No picture was measured, perhaps for a reason.
  case nothing(String?)
  /// An average that is no share of the tokens.
  case share(Double)
  /// There is no file.
  case missing(path: String)
  /// The file is not one.
  case malformed(path: String, reason: String)
  /// The file has no such fit.
  case unfitted(rule: String, layer: Int)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .nothing(let reason):
      "no picture was measured; give questions with pictures" + (reason.map { " (the first was left out, question \($0))" } ?? "")
    case .share(let share): "the average is \(share * 100) % of an image's visual tokens, expected more than 0 % and up to 100 %"
    case .missing(let path): "\(path): not there; `epic fit` makes it"
    case .malformed(let path, let reason): "\(path): no fits of budgets (\(reason)); remove it, and `epic fit` makes it anew"
    case .unfitted(let rule, let layer):
      "there is no fit of \(rule) for cuts after layer \(layer); make it with `epic fit --layer \(layer)`"
    }
  }
}
