import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing

@testable import EpicCLI

/// What can be wrong with the families' checkpoints, and with pictures, videos and sound for them.
@Suite struct FamilyBadInputTests {
  private static let presets = Set(FamilyBadInput.all.map(\.preset)).sorted()

  /// One line, the right exit code, and the thing that is wrong by name; asked in this process, as starting the program takes longest.
  @Test(arguments: presets) func oneLineThatNamesWhatIsWrong(_ preset: String) async throws {
    let scratch = try Scratch()
    let place = scratch.url
    var configuration = try LLaVAConfiguration.preset(preset)
    ByteTokenizer.adopt(into: &configuration)
    try TestModel.write(LLaVAModel.random(configuration, seed: 1), to: place.appending(path: "good"))
    try TestModel.drawing().writePNG(to: place.appending(path: "house.png"))
    try FamilyBadInput.makeMedia(in: place)
    for (number, bad) in FamilyBadInput.all.filter({ $0.preset == preset }).enumerated() {
      let model = place.appending(path: bad.change == nil ? "good" : "model-\(number)")
      if let change = bad.change {
        try FileManager.default.copyItem(at: place.appending(path: "good"), to: model)
        try change(model)
      }
      let flags: Set = ["--image", "--video", "--audio"]
      var isPath = false
      let arguments = bad.arguments.map { word in
        defer { isPath = flags.contains(word) }
        return isPath && !word.hasPrefix("/") ? place.appending(path: word).path : word
      }
      let ending = await Main.run(["generate", "--model", model.path, "--max-tokens", "1"] + arguments)
      let line = ending.line ?? ""
      #expect(ending.code == bad.code && ending.text == nil, "\(bad.name): \(line)")
      #expect(line.hasPrefix("epic: ") && !line.contains("\n"), "\(bad.name): \(line)")
      for fragment in bad.says { #expect(line.contains(fragment), "\(bad.name): \(fragment) in: \(line)") }
    }
  }

  @Test func thereAreEnoughCases() { #expect(FamilyBadInput.all.count >= 60) }
}
