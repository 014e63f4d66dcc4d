import Compression
import Evaluation
import Foundation
import Imaging
import LLaVA
import Language
import Report
import Results
import Video

/// A question of each kind about a video, with the frames of the video as the decoder saw them: the folder `pictures`.
struct DemoFilms {
  let model: URL
  let data: URL
  /// Percent of the tokens that are left.
  let percent: Int

  /// Asks, draws, and writes the folder; `pictures.json` comes last.
  func write(to folder: URL, progress: (Int) -> Void) throws {
    let benchmark = try BenchmarkRegistry.load("clevrer", from: data)
    let (pipeline, answers) = (try LLaVAPipeline.load(from: model, dtype: .float32), try Self.answers(data))
    var (videos, items, files): (Set<QuestionImage>, [PictureGallery.Item], [String: Data]) = ([], [], [:])
    for family in Self.categories(benchmark) {
      let own = benchmark.questions.filter { $0.category == family }
      let fresh = own.first { question in question.image.map { !videos.contains($0) } ?? false }
      guard let question = fresh ?? own.first, let image = question.image, let video = image.video else { continue }
      progress(items.count)
      videos.insert(image)
      var frames: [RGBImage] = []
      // A file is opened for one reading of it.
      try video.open().frames(FrameSampling()) { frames.append($0.image) }
      let pixels = try pipeline.video(video.open(), FrameSampling())
      var item = PictureGallery.Item(
        question: question.prompt.split(separator: "\n").first.map(String.init) ?? "", reference: answers[question.id] ?? "",
        note: family, views: [])
      for compressor in [nil] + VideoDemonstration.compressors {
        var options = GenerationOptions()
        options.maximumNewTokens = 8
        options.compression = try compressor.map { try CompressionPlan(VideoDemonstration.plan($0, percent)) }
        let turns = [Turn(.user, LLaVAPipeline.withImageTags(question.prompt, images: 1)), Turn(.assistant, "")]
        let answer = try pipeline.answer(pipeline.request(turns, pictures: [pixels]), options)
        let layout = pipeline.model.layouts(of: [pixels])[0]
        let kept = answer.result.cuts.last?.keptIndices[0]
        let text = answer.text.trimmingCharacters(in: .whitespacesAndNewlines)
        let isRight = try benchmark.score([question.id: text], missing: .leaveOut).samples.first.map { $0.value > 0 } ?? false
        let name = "\(items.count + 1)-\(compressor?.name ?? "full").png"
        files[name] = try Self.strip(frames, layout, kept).pngData()
        let count = kept.map { kept in layout.countedPlaces.joined().count { kept.contains($0) } } ?? layout.counted
        item.views.append(
          PictureGallery.View(
            title: compressor.map { "\($0.name), \(count) of \(layout.counted)" } ?? "all \(layout.counted)", image: name,
            answers: [PictureGallery.Answer(model: model.lastPathComponent, text: text, isRight: isRight)]))
      }
      items.append(item)
    }
    let notes = [
      "Which questions: the first of each kind in the test set, each about another video. The frames stand in the order of time.",
      "Dark patches are what the decoder did without.",
    ]
    try PictureGallery(notes: notes, items: items, files: files).write(into: folder)
  }

  /// The kinds of questions in the order in which they come.
  private static func categories(_ benchmark: Benchmark) -> [String] {
    benchmark.questions.reduce(into: []) { if !$0.contains($1.category) { $0.append($1.category) } }
  }

  /// The frames in rows of four, twice as large, dark where no token is left.
  ///
  /// - Parameter kept: places in the layout; nil for all.
  static func strip(_ frames: [RGBImage], _ layout: TokenLayout, _ kept: [Int]?) throws -> RGBImage {
    let places = layout.countedPlaces
    let drawn = try frames.prefix(places.count).enumerated().map { number, frame in
      let tokens = Dictionary(places[number].enumerated().map { ($1, $0) }) { first, _ in first }
      let overlay = TokenOverlay(layout.grids[number], keptIndices: kept.map { [$0.compactMap { tokens[$0] }] } ?? [])
      return try overlay.drawn(on: frame.resized(width: 2 * frame.width, height: 2 * frame.height))
    }
    let (columns, gap) = (min(4, max(1, drawn.count)), 4)
    let rows = try stride(from: 0, to: drawn.count, by: columns).map { first in
      try RGBImage.sideBySide(Array(drawn[first..<min(first + columns, drawn.count)]), gap: gap)
    }
    // A last row that is shorter ends in white, as do the lines between rows.
    let width = rows.map(\.width).max() ?? 0
    let white: (Int) -> [UInt8] = { [UInt8](repeating: 255, count: 3 * $0) }
    var pixels: [UInt8] = []
    for (number, row) in rows.enumerated() {
      if number > 0 { pixels += white(gap * width) }
      for y in 0..<row.height { pixels += row.pixels[3 * y * row.width..<3 * (y + 1) * row.width] + white(width - row.width) }
    }
    return try RGBImage(width: width, height: width == 0 ? 0 : pixels.count / 3 / width, pixels: pixels)
  }

  /// The right answers by question id, out of the benchmark's own file.
  static func answers(_ data: URL) throws -> [String: String] {
    struct Scene: Decodable {
      struct Question: Decodable {
        let question_id: Int
        let answer: String
      }
      let video_filename: String
      let questions: [Question]
    }
    let scenes = try demoFile(data.appending(path: "clevrer/validation.json")) {
      try JSONDecoder().decode([Scene].self, from: Data(contentsOf: $0))
    }
    return Dictionary(
      scenes.flatMap { scene in
        scene.questions.map { ("\(scene.video_filename.split(separator: ".").first ?? "")/\($0.question_id)", $0.answer) }
      }
    ) { first, _ in first }
  }
}
