import ArgumentParser
import Compression
import Foundation
import Imaging
import LLaVA

/// Watches a folder and captions each picture in it with few visual tokens; a line of JSON for each.
@main
struct CaptionFolder: ParsableCommand {
  /// What is printed of a picture.
  private struct Caption: Encodable {
    let file, caption: String
    let visualTokens: Int
  }

  @Argument(help: "Folder of a checkpoint.") var model: String
  @Argument(help: "Folder to watch.") var folder: String
  @Option(help: "Visual tokens that are left of a picture.") var keep = 64
  @Option(help: "What is asked about each picture.") var prompt = "Describe the picture in one sentence."
  @Option(help: "Longest caption, in tokens.") var maxTokens = 64
  @Flag(help: "Leave when every picture has its caption, in place of waiting for more.") var once = false

  func run() throws {
    let pipeline = try LLaVAPipeline.load(from: URL(fileURLWithPath: model))
    var options = GenerationOptions()
    options.maximumNewTokens = maxTokens
    options.compression = try CompressionPlan("dart:\(keep)@2")
    // A picture that is written anew gets a new caption.
    var done: [String: Date] = [:]
    repeat {
      for (name, changed) in try pictures().sorted(by: { $0.key < $1.key }) where done[name] != changed {
        done[name] = changed
        do {
          try show(caption(name, pipeline, options))
        } catch let error as ImagingError {
          // Half a picture, or none. It is tried again when it has changed.
          FileHandle.standardError.write(Data("\(error)\n".utf8))
        }
      }
      if !once { Thread.sleep(forTimeInterval: 1) }
    } while !once
  }

  private func pictures() throws -> [String: Date] {
    let kinds: Set<String> = ["jpg", "jpeg", "png", "webp", "gif"]
    var found: [String: Date] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      let file = URL(fileURLWithPath: folder).appending(path: name)
      if !kinds.contains(file.pathExtension.lowercased()) { continue }
      found[name] = try file.resourceValues(forKeys: [.contentModificationDateKey]).contentModificationDate
    }
    return found
  }

  private func caption(_ name: String, _ pipeline: LLaVAPipeline, _ options: GenerationOptions) throws -> Caption {
    let picture = try RGBImage(contentsOf: URL(fileURLWithPath: folder).appending(path: name), orientation: .honoured)
    var chat = try ChatSession(pipeline, images: [picture], options)
    let answer = try chat.reply(to: prompt)
    let kept = answer.result.cuts.last?.keptIndices.first?.count ?? answer.result.visualTokens
    return Caption(file: name, caption: answer.text, visualTokens: kept)
  }

  private func show(_ caption: Caption) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    FileHandle.standardOutput.write(try encoder.encode(caption) + Data("\n".utf8))
  }
}
