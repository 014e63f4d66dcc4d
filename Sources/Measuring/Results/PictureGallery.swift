import Basics
import Foundation
import Report

/// Questions with their pictures, what the decoder saw of them, and what models answered: `pictures.json` and the files that it names.
public struct PictureGallery: Sendable, Equatable, Codable {
  /// What a model said.
  public struct Answer: Sendable, Equatable, Codable {
    /// The model's name.
    public var model: String
    /// Its answer.
    public var text: String
    /// Whether the benchmark's scorer counts it as right.
    public var isRight: Bool

    /// An answer.
    public init(model: String, text: String, isRight: Bool) {
      self.model = model
      self.text = text
      self.isRight = isRight
    }
  }

  /// The picture under one way of asking.
  public struct View: Sendable, Equatable, Codable {
    /// The way: "DART, 16 of 144".
    public var title: String
    /// The picture's file, inside the folder.
    public var image: String
    /// What the models answered.
    public var answers: [Answer]

    /// A view.
    public init(title: String, image: String, answers: [Answer]) {
      self.title = title
      self.image = image
      self.answers = answers
    }
  }

  /// A question under all ways of asking.
  public struct Item: Sendable, Equatable, Codable {
    /// The question.
    public var question: String
    /// The answer that is right; empty where it is not shown.
    public var reference: String
    /// Where it comes from and why it is here.
    public var note: String
    /// The ways of asking.
    public var views: [View]

    /// A question.
    public init(question: String, reference: String, note: String, views: [View]) {
      self.question = question
      self.reference = reference
      self.note = note
      self.views = views
    }
  }

  /// By which rule the questions were chosen, and what the pictures show.
  public var notes: [String]
  /// The questions.
  public var items: [Item]
  /// The files' bytes by name.
  private var files: [String: Data] = [:]

  private enum CodingKeys: CodingKey { case notes, items }

  /// Questions, with the bytes of all pictures that they name.
  public init(notes: [String], items: [Item], files: [String: Data]) {
    self.notes = notes
    self.items = items
    self.files = files
  }

  /// The file's name inside a folder.
  public static let fileName = "pictures.json"

  /// Reads what ``write(into:)`` has written.
  ///
  /// - Throws: `ResultsError.badPictures`.
  public init(from folder: URL) throws {
    let url = folder.appending(path: Self.fileName)
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: url))
    } catch {
      throw ResultsError.badPictures(path: url.relativePath, reason: ResultsError.reason(error))
    }
    for name in items.flatMap({ $0.views.map(\.image) }) where files[name] == nil {
      // A page is passed on, so nothing of the rest of the machine may get into it.
      if name.isEmpty || name.contains("/") {
        throw ResultsError.badPictures(path: url.relativePath, reason: "\"\(name)\" is no file's name inside the folder")
      }
      let file = folder.appending(path: name)
      do {
        files[name] = try Data(contentsOf: file)
      } catch {
        throw ResultsError.badPictures(path: file.relativePath, reason: ResultsError.reason(error))
      }
      if Self.mediaType(files[name] ?? Data()) == nil {
        throw ResultsError.badPictures(path: file.relativePath, reason: "it is no PNG, JPEG, WebP or GIF image")
      }
    }
  }

  /// The newest pictures that a training run asked about, in the folder of their step under `benchmarks`; nil where there are none.
  ///
  /// - Throws: `ResultsError.badPictures`.
  public init?(newestOf run: URL) throws {
    let folder = run.appending(path: "benchmarks", directoryHint: .isDirectory)
    guard FileManager.default.fileExists(atPath: folder.path) else { return nil }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    } catch {
      throw ResultsError.badPictures(path: folder.relativePath, reason: ResultsError.reason(error))
    }
    let steps = names.compactMap { name in
      name.hasPrefix("step-") ? Int(name.dropFirst("step-".count)).map { (step: $0, url: folder.appending(path: name)) } : nil
    }
    let shown = steps.filter { FileManager.default.fileExists(atPath: $0.url.appending(path: Self.fileName).path) }
    guard let newest = shown.max(by: { $0.step < $1.step }) else { return nil }
    try self.init(from: newest.url)
  }

  /// Writes the pictures and then `pictures.json`.
  ///
  /// - Throws: `FileError.failed`.
  public func write(into folder: URL) throws {
    for (name, data) in files.sorted(by: { $0.key < $1.key }) { try writeFile(data, to: folder.appending(path: name)) }
    try writeFile(try jsonData(isPretty: true), to: folder.appending(path: Self.fileName))
  }

  /// The questions as a page shows them.
  var cards: [Card] {
    items.map { item in
      let tiles = item.views.map { view in
        let data = files[view.image] ?? Data()
        return Card.Tile(
          title: view.title, picture: data, mediaType: Self.mediaType(data) ?? "image/png",
          lines: view.answers.map {
            Card.Line(label: $0.model, text: Self.shortened($0.text), mark: $0.isRight ? .right : .wrong)
          })
      }
      let parts = [item.reference.isEmpty ? "" : "right answer: \(item.reference)", item.note].filter { !$0.isEmpty }
      return Card(title: item.question, subtitle: parts.joined(separator: " · "), tiles: tiles)
    }
  }

  /// A model that has lost its way goes on and on, which nobody needs to read.
  private static func shortened(_ text: String) -> String { text.count > 48 ? text.prefix(47) + "…" : text }

  /// The type that the first bytes tell.
  private static func mediaType(_ data: Data) -> String? {
    let bytes = [UInt8](data.prefix(12))
    if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]) { return "image/png" }
    if bytes.starts(with: [0xff, 0xd8, 0xff]) { return "image/jpeg" }
    if bytes.starts(with: Array("GIF8".utf8)) { return "image/gif" }
    if bytes.starts(with: Array("RIFF".utf8)), bytes.dropFirst(8).elementsEqual(Array("WEBP".utf8)) { return "image/webp" }
    return nil
  }
}
