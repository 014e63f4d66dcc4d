import Engine
import Metrics

/// What a server tells about itself: names that vLLM's dashboards know, and our own for visual tokens.
struct ServerMetrics: Sendable {
  private let factory = PrometheusFactory(help: ServedMetric.descriptions)
  private let name: String

  init(model: String) { name = model }

  private var model: [(String, String)] { [("model_name", name)] }

  private func add(_ label: String, _ labels: [(String, String)] = [], _ amount: Int = 1) {
    Counter(label: label, dimensions: model + labels, factory: factory).increment(by: amount)
  }

  private func set(_ label: String, _ value: Double) { Meter(label: label, dimensions: model, factory: factory).set(value) }

  private func record(_ label: String, _ duration: Duration) {
    Recorder(label: label, dimensions: model, aggregate: true, factory: factory).record(duration / .seconds(1))
  }

  /// A response's status.
  func note(status: Int) {
    Counter(label: "epic:responses_total", dimensions: [("status", "\(status)")], factory: factory).increment()
  }

  /// A complete answer.
  func note(_ outcome: Reply.Outcome, finish: String, arrived: ContinuousClock.Instant, started: ContinuousClock.Instant) {
    add("vllm:request_success_total", [("finished_reason", finish)])
    record("vllm:request_queue_time_seconds", started - arrived)
    record("vllm:time_to_first_token_seconds", outcome.firstToken - arrived)
    record("vllm:e2e_request_latency_seconds", outcome.ended - arrived)
    let further = outcome.result.tokens.count - 1
    if further > 0 { record("vllm:inter_token_latency_seconds", (outcome.ended - outcome.firstToken) / further) }
  }

  /// The budgets of a request's pictures.
  func note(budgets: [Int]) { for budget in budgets { add("epic:visual_token_budget_total", [("budget", "\(budget)")]) } }

  /// All of it as text, with the engine's own figures.
  func text(_ engine: Engine) -> String {
    let (figures, load) = (engine.state, engine.admission.load)
    set("vllm:num_requests_running", Double(figures.running))
    set("vllm:num_requests_waiting", Double(load.waiting))
    set("vllm:kv_cache_usage_perc", Double(load.bytes) / Double(max(1, engine.options.cacheBytes)))
    set("epic:longest_step_seconds", figures.longestStep)
    set("epic:shared_bytes", Double(figures.sharedBytes))
    for (label, value) in [
      ("vllm:prefix_cache_queries_total", figures.prefixQueries), ("vllm:prefix_cache_hits_total", figures.prefixHits),
      ("vllm:mm_cache_queries_total", figures.pictureQueries), ("vllm:mm_cache_hits_total", figures.pictureHits),
      ("vllm:prompt_tokens_total", figures.promptTokens), ("vllm:generation_tokens_total", figures.newTokens),
      ("epic:visual_tokens_total", figures.visualTokens), ("epic:visual_tokens_kept_total", figures.keptVisualTokens),
    ] {
      // The engine counts by itself; a counter that is brought up to date only grows as well.
      let counter = Counter(label: label, dimensions: model, factory: factory)
      counter.reset()
      counter.increment(by: value)
    }
    return factory.text()
  }
}
