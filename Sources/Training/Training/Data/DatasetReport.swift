/// What a check of a whole data set found.
public struct DatasetReport: Codable, Sendable, Equatable {
  /// Records of the file.
  public var samples = 0
  /// Readable records with at least one image, and without.
  public var withImage = 0, textOnly = 0
  /// Images of all readable records; one that several name counts each time.
  public var images = 0
  /// Turns of all readable records.
  public var turns = 0
  /// Tokens of the samples that can be trained on, visual tokens included; nil without a tokenizer.
  public var tokens: Int?
  /// How many of these are learnt; nil without a tokenizer.
  public var supervisedTokens: Int?
  /// How long samples are, those that are too long included.
  public var lengths: LengthSummary
  /// Samples that cannot be trained on, in the file's order; of one with several faults, the first.
  public var bad: [SampleFault] = []
  /// Folders of images of which some are missing, the ones with most missing first.
  public var incompleteFolders: [ImageFolder] = []
}

/// How many of a folder's images are missing.
public struct ImageFolder: Codable, Sendable, Equatable {
  /// The folder as the records write it; "." for images without one.
  public var folder: String
  /// Times that records name an image in it.
  public var images = 0
  /// How often that image is not there.
  public var missing = 0

  /// Whether so many are missing that the folder itself is the matter, rather than a few images.
  public var isShort: Bool { missing * 10 > images }
  /// Whether these are OCR-VQA's images, which LLaVA does not distribute.
  public var isOCRVQA: Bool {
    folder.split(separator: "/").contains { ["ocr_vqa", "ocrvqa", "ocr-vqa"].contains($0.lowercased()) }
  }
}

/// Lengths of many samples.
public struct LengthSummary: Codable, Sendable, Equatable {
  /// What is counted.
  public enum Unit: String, Codable, Sendable {
    /// Rows of the decoder's input, visual tokens included.
    case tokens
    /// Words between whitespace, images not counted.
    case words
  }

  /// The number of samples whose length is `from...through`.
  public struct Bin: Codable, Sendable, Equatable {
    /// Shortest and longest length that is counted here.
    public var from, through: Int
    /// Samples.
    public var count: Int
  }

  /// What is counted.
  public var unit: Unit
  /// Samples whose length is known.
  public var count: Int
  /// The shortest, the longest, and the one in the middle, the lower of two; 0 where there are none.
  public var min, median, max: Int
  /// The average; 0 where there are none.
  public var mean: Double
  /// Bins of equal width (1, 2 or 5 times a power of ten), from that of the shortest on.
  ///
  /// There are at most 17 for 99 of 100 samples; the last one takes the longer ones as well, so that a few of these do not press all
  /// others into one bin.
  public var bins: [Bin]

  /// Summarises lengths of 0 or more.
  public init(_ lengths: [Int], unit: Unit) {
    self.unit = unit
    let sorted = lengths.sorted()
    count = sorted.count
    min = sorted.first ?? 0
    max = sorted.last ?? 0
    median = sorted.isEmpty ? 0 : sorted[(sorted.count - 1) / 2]
    mean = sorted.isEmpty ? 0 : Double(sorted.reduce(0, +)) / Double(sorted.count)
    bins = []
    if sorted.isEmpty { return }
    let most = sorted[(sorted.count * 99 + 99) / 100 - 1]
    var widths = [1, 2, 5]
    while (most - min) / widths[0] >= 16 { widths = [widths[1], widths[2], widths[0] * 10] }
    let width = widths[0]
    let first = min / width
    bins = (first...most / width).map { Bin(from: $0 * width, through: ($0 + 1) * width - 1, count: 0) }
    for length in sorted { bins[Swift.min(length / width - first, bins.count - 1)].count += 1 }
    bins[bins.count - 1].through = Swift.max(bins[bins.count - 1].through, max)
  }
}
