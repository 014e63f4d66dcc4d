/// A file of records in a training run, or tar shards, and how often it is taken.
public struct DataSource: Sendable, Equatable {
  /// JSON or JSON lines, or tar shards: one, a folder of them, or a pattern such as `shard-{0000..0009}.tar`.
  public var file: String
  /// Folder of the pictures; the file's own where it is nil, and none for shards.
  public var images: String?
  /// How often an epoch takes each record: 2 takes all twice, 0.25 every fourth, 1.5 all once and every second once more.
  public var weight: Double

  /// A source.
  public init(file: String, images: String? = nil, weight: Double = 1) {
    (self.file, self.images, self.weight) = (file, images, weight)
  }

  /// What is wrong with it; nil where it is good.
  var fault: String? {
    if file.isEmpty { return "has no file; name the JSON file, the JSON-lines file or the tar shards" }
    return weight > 0 && weight <= 100 ? nil : "has the weight \(weight), expected above 0, 100 at most"
  }

  /// The records of an epoch, of a file that has `count`: all as often as the weight says in full, then an even selection for its rest.
  func records(of count: Int) -> [Int] {
    let whole = Int(weight)
    let rest = weight - Double(whole)
    let all = (0..<whole).flatMap { _ in 0..<count }
    return all + (0..<count).filter { (Double($0 + 1) * rest).rounded(.down) > (Double($0) * rest).rounded(.down) }
  }
}
