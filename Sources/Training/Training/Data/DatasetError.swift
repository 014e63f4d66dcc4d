/// What makes a data set, or the place of its samples in a run, unusable as a whole.
///
/// A single bad sample is a ``SampleFault``.
public enum DatasetError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file or folder cannot be read.
  case unreadable(path: String, reason: String)
  /// The file holds no JSON records.
  case notRecords(file: String, reason: String)
  /// The file is no tar file whose members can be read, for a reason that says what to do.
  case notShard(file: String, reason: String)
  /// The file holds not one record.
  case noRecords(file: String)
  /// The file is another one than when it was opened, or than the one of the run that is to go on.
  case changed(file: String)
  /// Not one sample of an epoch could be used.
  case nothingUsable(samples: Int, first: String)
  /// A setting that cannot work.
  case setting(name: String, reason: String)
  /// The list of skipped samples cannot be written.
  case unwritable(path: String, reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): cannot be read (\(reason)); check the path and its permissions"
    case .notRecords(let file, let reason):
      "\(file): is no data set (\(reason)); give a JSON list of records or a file with one JSON object in each line"
    case .notShard(let file, let reason): "\(file): cannot be read as a tar shard: \(reason)"
    case .noRecords(let file): "\(file): holds no records; give a file with at least one"
    case .changed(let file): "\(file): has changed; use the file as it was when the run began, or begin a new run"
    case .nothingUsable(let samples, let first):
      "none of the \(samples) samples can be trained on, the first of them because of this: \(first)"
    case .setting(let name, let reason): "\(name) \(reason)"
    case .unwritable(let path, let reason): "\(path): cannot be written (\(reason)); check the folder and its permissions"
    }
  }
}
