import Foundation
import TestSupport
import Testing

/// The `openai` client of Python, as it is.
@Suite struct PythonClientTests {
  @Test func openAIClient() async throws {
    let scratch = try Scratch()
    let picture = scratch.url.appending(path: "house.png")
    try Body.house.write(to: picture)
    do {
      try await withServer(nil, { $0.keys = ["secret"] }) { server in
        let out = try await PythonProgram.run("openai_client.py", ["http://127.0.0.1:\(server.port)/v1", "secret", picture.path])
        #expect(out.trimmingCharacters(in: .whitespacesAndNewlines).hasSuffix("all is well"), "\(out)")
        #expect(try await server.isEmptied())
      }
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("not compared with the openai client: \(reason)")
    }
  }
}
