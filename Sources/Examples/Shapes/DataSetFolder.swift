import Basics
import Foundation
import Imaging

/// What the folders of data sets have in common.
enum DataSetFolder {
  /// What a folder that is there says it was made with; nil where there is none.
  ///
  /// - Parameter read: reads the folder's description.
  /// - Throws: `ShapesError.exists` for a folder of something else; the system's error.
  static func options<Options>(of folder: URL, _ read: (URL) throws -> Options) throws -> Options? {
    let files = FileManager.default
    guard files.fileExists(atPath: folder.path) else { return nil }
    guard files.fileExists(atPath: folder.appending(path: ShapesDataSet.descriptionName).path) else {
      throw ShapesError.exists(folder: folder.relativePath)
    }
    do {
      return try read(folder)
    } catch is DecodingError {
      throw ShapesError.exists(folder: folder.relativePath)
    }
  }

  /// Writes LLaVA's instruction file of records that come one by one, each with its number of questions.
  ///
  /// - Parameter progress: is told how many are written.
  /// - Returns: the number of questions.
  static func write<Numbers>(
    records: ReadAhead<Numbers, (Data, Int)>, to url: URL, _ progress: (Int) -> Void
  ) throws -> Int {
    var (file, count, done) = (Data("[".utf8), 0, 0)
    while let (line, questions) = try records.next() {
      file += Data((done == 0 ? "\n" : ",\n").utf8) + line
      count += questions
      done += 1
      progress(done)
    }
    file += Data("\n]\n".utf8)
    try WholeFile.write(file, to: url)
    return count
  }
}

/// A turn of a conversation in LLaVA's instruction format.
struct RecordTurn: Encodable {
  let from, value: String

  /// Questions with their answers; the first has the tag of what is seen.
  static func turns(_ questions: [(prompt: String, answer: String)], tag: String) -> [RecordTurn] {
    questions.enumerated().flatMap { place, question in
      [
        RecordTurn(from: "human", value: (place == 0 ? "\(tag)\n" : "") + question.prompt),
        RecordTurn(from: "gpt", value: question.answer),
      ]
    }
  }
}

/// Why a data set was not made.
public enum ShapesError: Error, Equatable, CustomStringConvertible {
  /// Something else is in its place.
  case exists(folder: String)
  /// Another data set is in its place.
  case differs(folder: String, found: String)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .exists(let folder): "\(folder): is there already and is no data set of shapes; choose another folder"
    case .differs(let folder, let found):
      "\(folder): holds another data set (\(found)); choose another folder, or remove it"
    }
  }
}
