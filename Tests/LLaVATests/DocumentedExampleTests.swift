import Foundation
import Imaging
import LLaVA
import Language
import TestModels
import TestSupport
import Testing
import Torch

/// The documented example, line by line, on a tiny model.
@Suite struct DocumentedExampleTests {
  @Test func theExampleRuns() throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "model")
    let file = scratch.url.appending(path: "house.png")
    try TestModel.write(TestModel.tiny(), to: folder)
    try TestModel.drawing().writePNG(to: file)
    var printed = ""
    func print(_ piece: String) { printed += piece }

    // Example begins
    let pipeline = try LLaVAPipeline.load(from: folder, dtype: .bfloat16)
    let picture = try RGBImage(contentsOf: file, orientation: .honoured)

    var chat = try ChatSession(pipeline, images: [picture])
    let answer = try chat.reply(to: "What is in this picture?") { piece in
      print(piece)  // as it comes, never half a character
      return true  // false ends the answer
    }
    print("\(answer.result.visualTokens) visual tokens, \(answer.tokensPerSecond) tokens per second")
    // Example ends

    #expect(printed.contains("16 visual tokens"))
    #expect(
      try DocumentedExample.missingLines(of: "Example", in: "Documentation/Epic.docc/UseFromSwift.md", source: #filePath) == [])
  }
}
