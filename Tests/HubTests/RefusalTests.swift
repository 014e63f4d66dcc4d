import Foundation
import HubCache
import HubServer
import NIOHTTP1
import TestSupport
import Testing

@testable import Hub

@Suite struct RefusalTests {
  // MARK: - Who may

  @Test func theTokenOpensWhatIsPrivateAndGoesToTheHubAlone() async throws {
    var model = FakeHub.Model(Workplace.files)
    model.access = .holders(of: "hf_right")
    let work = try await Workplace(model)
    guard case .unknown(_, hasToken: false)? = await work.failure()?.kind else { return #expect(Bool(false)) }
    guard case .badToken? = await work.failure(Workplace.name, ["HF_TOKEN": "hf_wrong"])?.kind else {
      return #expect(Bool(false))
    }
    try work.expectFiles(try await work.pull(Workplace.name, .checkpoint, ["HF_TOKEN": "hf_right"]))
    #expect(!work.hub.storage.requests.isEmpty && work.hub.storage.requests.allSatisfy { $0["Authorization"] == nil })
  }

  @Test func gatedModelsSayWhereToAsk() async throws {
    var model = FakeHub.Model(Workplace.files)
    model.access = .gated
    let work = try await Workplace(model)
    let page = work.hub.server.address + "/" + Workplace.name
    #expect(await work.failure()?.kind == .gated(page: page, hasToken: false))
    #expect(await work.failure(Workplace.name, ["HF_TOKEN": "hf_x"])?.kind == .gated(page: page, hasToken: true))
  }

  @Test func whatIsNotThereIsSaid() async throws {
    let work = try await Workplace()
    let host = work.hub.server.address
    #expect(await work.failure("org/other")?.kind == .unknown(host: host, hasToken: false))
    #expect(await work.failure("org/other", ["HF_TOKEN": "hf_x"])?.kind == .unknown(host: host, hasToken: true))
    #expect(await work.failure("org/model@v9")?.kind == .noRevision(host: host, revision: "v9"))
    // There are answers that no retry changes.
    #expect(work.hub.requests().count == 3)
  }

  @Test func aListedFileThatIsNotThereIsRemembered() async throws {
    let work = try await Workplace { request, _, reply in
      guard request.method == .HEAD, request.path.hasSuffix("/tokenizer.json") else { return }
      reply = Reply(.notFound, ["X-Error-Code": "EntryNotFound", "X-Repo-Commit": FakeHub.commit(1)])
    }
    #expect(await work.failure()?.kind == .noFile("tokenizer.json"))
    #expect(try work.listing().contains("models--org--model/.no_exist/\(FakeHub.commit(1))/tokenizer.json"))
  }

  @Test(arguments: [
    (HTTPResponseStatus.forbidden, HubError.Kind.forbidden(host: "", message: "no")),
    (.badRequest, .refused(host: "", path: "", status: 400, message: "no")),
  ])
  func otherRefusalsAreSaid(_ status: HTTPResponseStatus, _ expected: HubError.Kind) async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/revision/") { reply = Reply(status, ["X-Error-Message": "no"]) }
    }
    let error = await work.failure()
    #expect(error?.description.contains("no") == true && error?.description.contains(work.hub.server.address) == true)
    switch (error?.kind, expected) {
    case (.forbidden?, .forbidden), (.refused?, .refused): break
    default: Issue.record("\(error as Any)")
    }
  }

  // MARK: - What passes

  @Test(arguments: [408, 429, 500, 502, 503, 504]) func passingFailuresAreWaitedOut(_ status: Int) async throws {
    let work = try await Workplace { _, count, reply in if count < 2 { reply = Reply(.init(statusCode: status)) } }
    try work.expectFiles(try await work.pull())
  }

  @Test func lastingFailuresAreGivenUp() async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/revision/") { reply = Reply(.serviceUnavailable) }
    }
    guard case .refused(_, _, 503, _)? = await work.failure(attempts: 3)?.kind else { return #expect(Bool(false)) }
    #expect(work.hub.requests().count == 4)
  }

  @Test(arguments: [["Retry-After": "1"], ["RateLimit": "\"api\";r=0;t=0"]]) func theHubSaysHowLongToWait(
    _ headers: [String: String]
  ) async throws {
    let work = try await Workplace { request, count, reply in
      guard request.path.contains("/revision/"), count == 0 else { return }
      reply = Reply(.tooManyRequests, HTTPHeaders(headers.map { ($0.key, $0.value) }))
    }
    let start = ContinuousClock.now
    _ = try await work.pull()
    #expect(ContinuousClock.now - start >= .seconds(1))
  }

  @Test func waitsThatAreTooLongAreFailures() async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/revision/") { reply = Reply(.tooManyRequests, ["Retry-After": "3600"]) }
    }
    guard case .refused(_, _, 429, _)? = await work.failure()?.kind else { return #expect(Bool(false)) }
    #expect(work.hub.requests().count == 1)
  }

  @Test func pausesGrowAndEnd() {
    let policy = RetryPolicy()
    for (attempt, seconds) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (99, 8.0)] {
      let pause = (policy.pause(before: attempt, requested: nil) ?? .zero) / .seconds(1)
      #expect((0.7 * seconds...1.3 * seconds).contains(pause), "\(attempt)")
    }
    #expect(policy.pause(before: 1, requested: .seconds(30)) == .seconds(30))
    #expect(policy.pause(before: 1, requested: .seconds(3000)) == nil)
  }

  // MARK: - Without the hub

  @Test func withoutTheHubTheCacheServes() async throws {
    let work = try await Workplace()
    let first = try await work.pull()
    try await work.hub.stop()
    let copy = try await work.pull()
    #expect(copy.folder == first.folder && copy.note?.contains("cannot be reached") == true)
    guard case .unreachable(_, let reason)? = await work.failure("org/other")?.kind else { return #expect(Bool(false)) }
    #expect(reason == "Connection refused")
    // Offline nobody is asked, and nothing need be said.
    #expect(try await work.pull(Workplace.name, .checkpoint, ["HF_HUB_OFFLINE": "1"]).note == nil)
  }

  @Test func aModelThatIsNoLongerShownServesFromTheCache() async throws {
    let work = try await Workplace()
    let first = try await work.pull()
    work.hub.change(Workplace.name) { $0.access = .holders(of: "hf_right") }
    let copy = try await work.pull()
    #expect(copy.folder == first.folder && copy.note?.contains("no such model") == true)
  }

  @Test func offlineNeedsTheWholeModel() async throws {
    let work = try await Workplace()
    let offline = ["TRANSFORMERS_OFFLINE": "yes", "HF_HUB_OFFLINE": ""]
    #expect(await work.failure(Workplace.name, offline)?.kind == .offline(cache: work.cache.path))
    let snapshot = try await work.pull(Workplace.name, .tokenizer)
    #expect(try await work.pull(Workplace.name, .tokenizer, offline).folder == snapshot.folder)
    #expect(
      await work.failure(Workplace.name, offline)?.kind == .incomplete(cache: work.cache.path, missing: ["model.safetensors"]))
    _ = try await work.pull()
    let before = work.hub.requests().count
    try work.expectFiles(try await work.pull(Workplace.name, .checkpoint, offline))
    #expect(await work.failure("org/model@other", offline)?.kind == .offline(cache: work.cache.path))
    // A file of another length is not there.
    let blob = snapshot.folder.appending(path: "tokenizer.json").resolvingSymlinksInPath()
    try Data().write(to: blob)
    #expect(await work.failure(Workplace.name, offline)?.kind == .incomplete(cache: work.cache.path, missing: ["tokenizer.json"]))
    #expect(work.hub.requests().count == before)
  }

  @Test func aHubThatSaysNothingIsGivenUp() async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/revision/") { reply.delay = .seconds(30) }
    }
    let error = await work.failure(Workplace.name, ["HF_HUB_DOWNLOAD_TIMEOUT": "1"], attempts: 0)
    guard case .unreachable(_, let reason)? = error?.kind else { return #expect(Bool(false), "\(error as Any)") }
    #expect(reason == "no answer in time")
  }

  @Test func requestsGoThroughTheProxy() async throws {
    let proxy = try await LocalServer { _ in Reply(.forbidden) }
    let work = try await Workplace()
    let variables = ["HTTP_PROXY": "http://me:secret@127.0.0.1:\(proxy.port)", "no_proxy": "", "HF_TOKEN": "hf_secret"]
    guard case .unreachable? = await work.failure(Workplace.name, variables)?.kind else { return #expect(Bool(false)) }
    #expect(work.hub.requests().isEmpty && !proxy.requests.isEmpty)
    for request in proxy.requests {
      #expect(request.method == .CONNECT && work.hub.server.address.hasSuffix(request.uri))
      #expect(request["Proxy-Authorization"] == "Basic bWU6c2VjcmV0" && request["Authorization"] == nil)
    }
    try work.expectFiles(try await work.pull(Workplace.name, .checkpoint, variables.merging(["no_proxy": "127.0.0.1"]) { $1 }))
  }

}
