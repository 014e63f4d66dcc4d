import AsyncHTTPClient
import Basics
import Foundation
import NIOCore
import NIOHTTP1

/// Why a load test cannot begin.
public struct LoadError: Error, CustomStringConvertible {
  /// One sentence for people.
  public let description: String
}

/// Sends requests to a server and measures when answers come.
public struct LoadGenerator: Sendable {
  private let plan: LoadPlan

  /// A generator of a load.
  public init(_ plan: LoadPlan) { self.plan = plan }

  /// Sends everything and waits for it.
  ///
  /// - Parameter progress: is called with the number of complete requests.
  /// - Throws: `LoadError` where the server does not answer at all.
  public func run(progress: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> LoadReport {
    var configuration = HTTPClient.Configuration(timeout: .init(connect: .seconds(10)))
    configuration.httpVersion = .http1Only
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 4096
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let result: Result<LoadReport, any Error>
    do {
      result = .success(try await run(client, progress))
    } catch {
      result = .failure(error)
    }
    try await client.shutdown()
    return try result.get()
  }

  private func run(_ client: HTTPClient, _ progress: @escaping @Sendable (Int) -> Void) async throws -> LoadReport {
    let model = try await model(client)
    for number in 0..<plan.warmup { _ = await ask(client, plan.requests + number, model) }
    let start = ContinuousClock.now
    let samples: [LoadSample] =
      switch plan.arrival {
      case .closed(let concurrency): await closed(client, model, concurrency, progress)
      case .open(let rate, let burstiness): await open(client, model, plan.times(rate: rate, burstiness: burstiness), progress)
      }
    return LoadReport(samples, seconds: (ContinuousClock.now - start) / .seconds(1), plan)
  }

  private func closed(
    _ client: HTTPClient, _ model: String, _ concurrency: Int, _ progress: @escaping @Sendable (Int) -> Void
  ) async -> [LoadSample] {
    await withTaskGroup(of: LoadSample.self) { group in
      var samples: [LoadSample] = []
      for number in 0..<plan.requests {
        if number >= concurrency, let sample = await group.next() {
          samples.append(sample)
          progress(samples.count)
        }
        group.addTask { await ask(client, number, model) }
      }
      for await sample in group {
        samples.append(sample)
        progress(samples.count)
      }
      return samples
    }
  }

  private func open(
    _ client: HTTPClient, _ model: String, _ times: [Double], _ progress: @escaping @Sendable (Int) -> Void
  ) async -> [LoadSample] {
    let start = ContinuousClock.now
    return await withTaskGroup(of: LoadSample.self) { group in
      for (number, time) in times.enumerated() {
        group.addTask {
          do {
            try await Task.sleep(until: start + .seconds(time), clock: .continuous)
          } catch {
            return LoadSample()
          }
          return await ask(client, number, model)
        }
      }
      var samples: [LoadSample] = []
      for await sample in group {
        samples.append(sample)
        progress(samples.count)
      }
      return samples
    }
  }

  private func request(_ path: String) -> HTTPClientRequest {
    var request = HTTPClientRequest(url: plan.url + path)
    if let key = plan.key { request.headers.add(name: "authorization", value: "Bearer \(key)") }
    return request
  }

  private struct Models: Decodable {
    struct Model: Decodable { let id: String }
    let data: [Model]
  }

  private func model(_ client: HTTPClient) async throws -> String {
    if let model = plan.model { return model }
    do {
      let response = try await client.execute(request("/v1/models"), timeout: .seconds(10))
      guard response.status == .ok else {
        throw LoadError(description: "\(plan.url)/v1/models: answers with status \(response.status.code)")
      }
      let body = try await response.body.collect(upTo: 1 << 20)
      let models = try JSONDecoder().decode(Models.self, from: Data(body.readableBytesView))
      if let model = models.data.first { return model.id }
      throw LoadError(description: "\(plan.url)/v1/models: lists no model")
    } catch let error as LoadError {
      throw error
    } catch {
      throw LoadError(description: "\(plan.url): does not answer as a chat server does; start one with epic serve")
    }
  }

  private struct Chunk: Decodable {
    struct Choice: Decodable {
      struct Delta: Decodable { let content: String? }
      let delta: Delta
    }
    struct Usage: Decodable { let prompt_tokens, completion_tokens: Int }
    let choices: [Choice]?
    let usage: Usage?
    let error: Failure?
    struct Failure: Decodable { let message: String }
  }

  private func ask(_ client: HTTPClient, _ number: Int, _ model: String) async -> LoadSample {
    var sample = LoadSample()
    sample.budget = plan.budgets[number % plan.budgets.count]
    do {
      var request = request("/v1/chat/completions")
      request.method = .POST
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: try plan.body(number, model: model)))
      let start = ContinuousClock.now
      func seconds() -> Double { (ContinuousClock.now - start) / .seconds(1) }
      let response = try await client.execute(request, deadline: .distantFuture)
      sample.status = Int(response.status.code)
      var (rest, last) = ([UInt8](), 0.0)
      for try await part in response.body {
        rest += part.readableBytesView
        while let end = rest.firstRange(of: [10, 10]) {
          let event = rest[..<end.lowerBound]
          rest = Array(rest[end.upperBound...])
          guard sample.status == 200, event.starts(with: "data: {".utf8) else { continue }
          let chunk = try JSONDecoder().decode(Chunk.self, from: Data(event.dropFirst(6)))
          if chunk.error != nil { return sample }
          if let text = chunk.choices?.first?.delta.content, !text.isEmpty {
            let now = seconds()
            if sample.first == nil { sample.first = now } else { sample.between.append(now - last) }
            last = now
          }
          if let usage = chunk.usage {
            (sample.promptTokens, sample.newTokens) = (usage.prompt_tokens, usage.completion_tokens)
            sample.isComplete = true
          }
        }
      }
      sample.total = seconds()
    } catch {
      // A connection that breaks is a request that was not answered.
    }
    return sample
  }
}
