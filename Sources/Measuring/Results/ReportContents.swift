import Evaluation
import Foundation

/// All that a report is made of: evaluations, training runs, and pictures with answers, each of which may be absent.
public struct ReportContents: Sendable {
  /// What evaluations found; without models where there are none.
  public var results: EvaluationResults
  /// Models beside the first one; nil for less than two.
  public var comparison: Comparison?
  /// Training runs.
  public var trainings: [TrainingLog] = []
  /// Pictures with answers.
  public var galleries: [PictureGallery] = []

  /// Evaluations alone.
  public init(_ results: EvaluationResults) {
    self.results = results
    comparison = Comparison(results)
  }

  /// What folders hold, each what `epic eval`, `epic train` or `epic demo` left in it.
  ///
  /// - Parameter data: the benchmarks' folder, with which differences between models are paired by question; nil for none.
  /// - Throws: `ResultsError`; `EvaluationError` for benchmarks that cannot be read.
  public init(from folders: [URL], data: URL? = nil) throws {
    var (evaluations, answers): ([EvaluationResults], ScoredAnswers?) = ([], nil)
    for folder in folders {
      func holds(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder.appending(path: name).path) }
      var isEmpty = true
      if holds(TrainingLog.fileName) {
        trainings.append(try TrainingLog(from: folder))
        if let gallery = try PictureGallery(newestOf: folder) { galleries.append(gallery) }
        isEmpty = false
      }
      if holds(PictureGallery.fileName) {
        galleries.append(try PictureGallery(from: folder))
        isEmpty = false
      }
      if !isEmpty, !holds(EvaluationResults.fileName) { continue }
      let results = try EvaluationResults(from: folder)
      evaluations.append(results)
      guard let data else { continue }
      let found = try ScoredAnswers(of: results, in: folder, data: data)
      if answers == nil { answers = found } else { answers?.merge(found) }
    }
    results = EvaluationResults(merging: evaluations)
    comparison = Comparison(results, answers)
  }

  /// Writes `report.html`, and of evaluations `results.json`, `table.md` and `table.csv`, each whole or not at all.
  ///
  /// - Throws: `FileError.failed`.
  public func write(into folder: URL) throws {
    var files = [(ResultsPage.fileName, Data(ResultsPage(self).html.utf8))]
    if !results.models.isEmpty {
      let table = ResultTable(results).markdown + (comparison.map { "\n" + $0.table.markdown } ?? "")
      files += [
        (EvaluationResults.fileName, try results.json()), ("table.md", Data(table.utf8)), ("table.csv", Data(results.csv.utf8)),
      ]
    }
    for (name, data) in files { try writeFile(data, to: folder.appending(path: name)) }
  }
}
