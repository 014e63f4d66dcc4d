import Basics
import Foundation
import Training

/// What `epic data check` prints for people: bad samples first, so that the counts are in sight at the end.
struct DataCheckText {
  /// Folders with missing images that are named.
  private static let listedFolders = 20

  let text: String

  init(_ report: DatasetReport) {
    var lines = report.bad.map { oneLine($0.description) }
    if !lines.isEmpty { lines.append("") }
    lines += Self.counts(report)
    lines += Self.histogram(report.lengths)
    lines += Self.bad(report)
    text = lines.joined(separator: "\n")
  }

  private static func row(_ name: String, _ value: String) -> String {
    "\(name) ".leftAligned(12) + value
  }

  private static func counts(_ report: DatasetReport) -> [String] {
    let kinds = "\(formatCount(report.withImage)) with images, \(formatCount(report.textOnly)) text only"
    var lines = [
      row("samples", "\(formatCount(report.samples)): \(kinds)"),
      row("images", formatCount(report.images)),
      row("turns", formatCount(report.turns)),
    ]
    if let tokens = report.tokens, let supervised = report.supervisedTokens {
      lines.append(row("tokens", "\(formatCount(tokens)), \(formatCount(supervised)) of them supervised"))
    }
    return lines
  }

  private static func histogram(_ lengths: LengthSummary) -> [String] {
    if lengths.count == 0 { return [] }
    let unit = lengths.unit == .tokens ? "tokens, visual tokens included" : "words"
    let mean = formatCount(Int(lengths.mean.rounded()))
    let ends = "\(formatCount(lengths.min)) to \(formatCount(lengths.max))"
    var lines = [row("lengths", "\(ends) \(unit); median \(formatCount(lengths.median)), mean \(mean)")]
    let most = max(1, lengths.bins.map(\.count).max() ?? 1)
    let names = lengths.bins.map { "\(formatCount($0.from))–\(formatCount($0.through))" }
    let width = names.map(\.count).max() ?? 1
    for (bin, name) in zip(lengths.bins, names) {
      // A bin with anything in it shows something.
      let bar = bin.count == 0 ? "" : bars(max(1, bin.count * 40 * 8 / most)) + " " + formatCount(bin.count)
      lines.append("  \(name.rightAligned(width)) │\(bar)")
    }
    return lines
  }

  private static func bars(_ eighths: Int) -> String {
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
  }

  private static func bad(_ report: DatasetReport) -> [String] {
    if report.bad.isEmpty { return [row("bad", "none")] }
    let kinds = Dictionary(grouping: report.bad, by: \.code.rawValue).mapValues(\.count)
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\(formatCount($0.value)) \($0.key)" }
    let all = row("bad", "\(formatCount(report.bad.count)): \(kinds.joined(separator: ", "))")
    return [all] + folders(report.incompleteFolders.filter { $0.isShort || $0.isOCRVQA })
  }

  private static func folders(_ folders: [ImageFolder]) -> [String] {
    var lines = folders.prefix(listedFolders).map { folder in
      let counts = "\(formatCount(folder.missing)) of \(formatCount(folder.images)) images missing"
      let advice = "download them with LLaVA's script, and mind that many come with other endings than the data names"
      return "  \(oneLine(folder.folder)): \(counts)" + (folder.isOCRVQA ? "; \(advice)" : "")
    }
    if folders.count > listedFolders {
      lines.append("  … and \(formatCount(folders.count - listedFolders)) more folders like these")
    }
    return lines
  }
}
