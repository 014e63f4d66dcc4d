import EvaluationLayouts
import Foundation
import LLaVA
import MadeVideos
import TestModels
import TestSupport
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// What commands print with `--json`.
enum WrittenJSON {
  /// Fields whose value has a field for each benchmark, precision, part of memory and so on.
  static let data: Set = ["scores", "storedTypes", "groups", "memoryBytes", "moments", "parts", "failures", "verified", "kept"]

  /// One JSON object of each command that prints one.
  static func printed() async throws -> [String] {
    let place = try EvaluationCommandTests.Place(["gqa"])
    func path(_ name: String) -> String { place.scratch.url.appending(path: name).path }
    let model = ["--model", path("model1")]
    try TestModel.drawing().writePNG(to: place.scratch.url.appending(path: "house.png"))
    let sample =
      #"[{"id": "a", "image": "house.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, "#
      + #"{"from": "gpt", "value": "It."}]}]"#
    try Data(sample.utf8).write(to: place.scratch.url.appending(path: "data.json"))
    try MadeVideo(frames: 20, fps: 10).write(to: place.scratch.url.appending(path: "film.mkv"))
    var configuration = try LLaVAConfiguration.preset("tiny-onevision")
    ByteTokenizer.adopt(into: &configuration)
    try TestModel.write(LLaVAModel.random(configuration, seed: 3), to: place.scratch.url.appending(path: "video"))
    let tiny = ["--preset", "tiny", "--threads", "1"]
    let asked = [
      "--benchmark", "gqa", "--data", place.data.url.path, "--limit", "4", "--keep", "4", "--layer", "1", "--threads", "1",
    ]
    let commands: [[String]] = [
      ["generate"] + model + [
        "--image", path("house.png"), "--prompt", "What?", "--max-tokens", "2", "--keep", "4", "--layer", "1",
      ],
      [
        "watch", "--model", path("video"), "--video", path("film.mkv"), "--ask", "What?@1", "--max-tokens", "1", "--pace", "free",
      ],
      ["inspect", path("model1"), "--verify"],
      ["profile", "--measure", "--rounds", "1", "--keep", "4", "--compressor", "dart"] + tiny,
      ["curriculum"], ["curriculum", "--curriculum", "nested"], ["curriculum", "--theory"], ["plan", "--preset", "tiny"],
      ["data", "check", "--file", path("data.json"), "--images", place.scratch.url.path] + model,
      ["bench", "generate", "--new-tokens", "2", "--text-tokens", "4", "--repeats", "1"] + tiny,
      ["bench", "train", "--batch", "1", "--text-tokens", "6", "--steps", "1", "--layer", "1"] + tiny, ["doctor"],
      ["eval", "--output", path("out"), "--timed", "1", "--difficulty", "downsample"] + model + asked,
      ["stability", "--output", path("stable"), "--conditions", "noise=0.2"] + model + asked,
    ]
    var outputs: [String] = []
    for command in commands {
      let outcome = try await EpicCommand.run(command + ["--json"])
      try #require(outcome.code == 0, "\(command): \(outcome.err)")
      outputs.append(outcome.out)
    }
    return outputs
  }

  /// What a load test says of a server, and what the server answers.
  static func served() async throws -> (load: String, answers: [String]) {
    let outputs = Outputs()
    let outcome = try await EpicCommand.run(["serve", "--demo", "--port", "0", "--threads", "1"]) { server in
      defer { server.send(SIGTERM) }
      let url = try #require(URL(string: try await address(of: server)))
      let load = [
        "bench", "serve", "--url", url.absoluteString, "--requests", "2", "--new-tokens", "2", "--words", "4", "--json",
      ]
      await outputs.add(try await Program.run(EpicCommand.program, load).out)
      var request = URLRequest(url: url.appending(path: "v1/chat/completions"))
      request.httpMethod = "POST"
      request.setValue("application/json", forHTTPHeaderField: "Content-Type")
      let body = #"{"messages": [{"role": "user", "content": "what?"}], "max_tokens": 2}"#
      await outputs.add(
        String(decoding: try await URLSession.shared.upload(for: request, from: Data(body.utf8)).0, as: UTF8.self))
      let models = URLRequest(url: url.appending(path: "v1/models"))
      await outputs.add(String(decoding: try await URLSession.shared.data(for: models).0, as: UTF8.self))
    }
    try #require(outcome.code == 0, "\(outcome.err)")
    let all = await outputs.all
    return (try #require(all.first), Array(all.dropFirst()))
  }

  /// Where a server listens, as soon as it says so.
  private static func address(of server: Program.Running) async throws -> String {
    while server.isRunning {
      if let found = try server.printed().firstMatch(of: /http:\/\/[0-9.]+:[0-9]+/) { return String(found.output) }
      try await Task.sleep(for: .milliseconds(20))
    }
    throw CancellationError()
  }

  private actor Outputs {
    private(set) var all: [String] = []
    func add(_ text: String) { all.append(text) }
  }
}
