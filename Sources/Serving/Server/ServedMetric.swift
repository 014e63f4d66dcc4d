/// What `GET /metrics` tells.
public enum ServedMetric {
  /// What each metric is, by name: names of vLLM where it has the same, and our own for visual tokens.
  public static let descriptions = [
    "vllm:num_requests_running": "Requests whose answers are being written.",
    "vllm:num_requests_waiting": "Requests that wait for their turn or for memory.",
    "vllm:kv_cache_usage_perc": "Share of the memory for keys and values that is promised to requests, 0 to 1.",
    "vllm:prefix_cache_queries_total": "Prompt tokens whose keys and values could have been there already.",
    "vllm:prefix_cache_hits_total": "Prompt tokens whose keys and values were.",
    "vllm:mm_cache_queries_total": "Look-ups of pictures' features.",
    "vllm:mm_cache_hits_total": "Look-ups that found them.",
    "vllm:prompt_tokens_total": "Prompt tokens, visual ones included.",
    "vllm:generation_tokens_total": "Tokens of answers.",
    "vllm:request_success_total": "Complete answers by why they ended.",
    "vllm:time_to_first_token_seconds": "From the request's head to the first token.",
    "vllm:inter_token_latency_seconds": "Time for each token after the first, the mean of an answer.",
    "vllm:e2e_request_latency_seconds": "From the request's head to the last token.",
    "vllm:request_queue_time_seconds": "Time until a request had its turn.",
    "epic:visual_tokens_total": "Visual tokens of all pictures before any was dropped.",
    "epic:visual_tokens_kept_total": "Visual tokens that were left in the end.",
    "epic:visual_token_budget_total": "Pictures by the number of tokens that they were read with.",
    "epic:responses_total": "HTTP responses by status.",
    "epic:longest_step_seconds": "Longest time that running answers have waited for their next token.",
    "epic:shared_bytes": "Bytes that are kept for further questions about pictures.",
  ]
}
