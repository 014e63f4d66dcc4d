import Foundation
import Results
import TestSupport
import Testing

@testable import Serving

/// The page of a training run.
@Suite struct RunPageTests {
  private func ask(_ page: RunPage, _ line: String = "GET / HTTP/1.1", host: String? = nil) throws -> HTTPReply {
    let client = try RawClient(port: page.port)
    defer { client.close() }
    try client.send("\(line)\r\nHost: \(host ?? "127.0.0.1:\(page.port)")\r\nConnection: close\r\n\r\n")
    return try client.receive()
  }

  private func line(_ step: Int) throws -> Data {
    let step = TrainingLog.Step(
      step: step, loss: 2.5, crossEntropy: 2, divergence: 1, layer: 2, studentRatio: 0.5, teacherRatio: 0.25, learningRate: 1e-4,
      seconds: 1)
    return try JSONEncoder().encode(step) + Data("\n".utf8)
  }

  /// The report of what is done so far, made anew each time; half a line is none yet.
  @Test func showsTheRunAsItGoesOn() async throws {
    let scratch = try Scratch()
    let run = scratch.url.appending(path: "run")
    let page = try await RunPage.open(run, port: 0)
    defer { page.close() }
    let before = try ask(page)
    #expect(before.status == 200 && before.text.contains("No step") && before.headers["refresh"] == "\(RunPage.interval)")

    try FileManager.default.createDirectory(at: run, withIntermediateDirectories: false)
    let log = run.appending(path: TrainingLog.fileName)
    try (line(1) + line(2) + Data("{\"step\"".utf8)).write(to: log)
    let during = try ask(page)
    #expect(during.status == 200 && during.text.contains("<svg") && during.headers["content-security-policy"] != nil)
    var contents = ReportContents(EvaluationResults(models: []))
    contents.trainings = [try TrainingLog(from: run)]
    #expect(contents.trainings[0].steps.count == 2 && during.text == ResultsPage(contents).html)

    // What is wrong with the log is said on the page.
    try Data("no step\n".utf8).write(to: log)
    let broken = try ask(page)
    #expect(broken.status == 500 && broken.text.contains("metrics.jsonl, line 1"), "\(broken.text)")
  }

  /// Pictures of the newest step that has some; a later step is still being asked.
  @Test func showsTheNewestPictures() async throws {
    let scratch = try Scratch()
    let run = scratch.url
    try line(1).write(to: run.appending(path: TrainingLog.fileName))
    #expect(try PictureGallery(newestOf: run) == nil)
    for step in [2, 10, 20] {
      let folder = run.appending(path: "benchmarks/step-\(step)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      if step == 20 { continue }
      let answer = PictureGallery.Answer(model: "answer", text: "said after \(step)", isRight: true)
      let view = PictureGallery.View(title: "all tokens", image: "1-0.png", answers: [answer])
      let item = PictureGallery.Item(question: "What?", reference: "", note: "POPE", views: [view])
      let picture = Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
      try PictureGallery(notes: [], items: [item], files: ["1-0.png": picture]).write(into: folder)
    }
    let page = try await RunPage.open(run, port: 0)
    defer { page.close() }
    let shown = try ask(page)
    #expect(shown.status == 200 && shown.text.contains("said after 10") && !shown.text.contains("said after 2<"))
    #expect(shown.text.contains("data:image/png;base64,") && !shown.text.contains("right answer"))
  }

  @Test func answersNobodyElse() async throws {
    let scratch = try Scratch()
    let page = try await RunPage.open(scratch.url, port: 0)
    defer { page.close() }
    #expect(try ask(page, host: "localhost:\(page.port)").status == 200)
    #expect(try ask(page, host: "elsewhere.example").status == 403)
    #expect(try ask(page, "GET /../etc/passwd HTTP/1.1").status == 404)
    #expect(try ask(page, "POST / HTTP/1.1").status == 405)
    // The port is taken now.
    await #expect(throws: (any Error).self) { try await RunPage.open(scratch.url, port: page.port) }
  }
}
