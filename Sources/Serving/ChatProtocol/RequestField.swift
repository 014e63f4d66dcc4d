/// A field that `POST /v1/chat/completions` understands.
///
/// The checks of a request and the reference that users read are both made from `all`.
public struct RequestField: Sendable, Equatable {
  /// Names with points between them, `[]` behind a list: `messages[].content[].image_url.url`.
  public let path: String
  /// What its value is, in a few words.
  public let type: String
  /// What it does, in half a sentence.
  public let meaning: String

  private init(_ path: String, _ type: String, _ meaning: String) {
    (self.path, self.type, self.meaning) = (path, type, meaning)
  }

  /// Names of the fields directly below a path; those of the body for an empty path.
  static func names(under path: String) -> Set<String> {
    let prefix = path.isEmpty ? "" : path + "."
    let below = all.filter { $0.path.hasPrefix(prefix) }.map { String($0.path.dropFirst(prefix.count)) }
    return Set(below.filter { !$0.contains(".") })
  }

  /// Where the parts of a message are.
  static let part = "messages[].content[]"

  /// All fields, outer ones before inner ones.
  public static let all: [RequestField] = {
    let groups: [[RequestField]] = [
      [
        RequestField("model", "string", "the name of the model, or left out"),
        RequestField("messages", "list", "the conversation; the last message is the user's"),
        RequestField("messages[].role", "system, developer, user or assistant", "who speaks"),
        RequestField("messages[].content", "string or list of parts", "what is said and shown"),
        RequestField("\(part).type", "text, image_url, video_url, audio_url or input_audio", "what a part is"),
        RequestField("\(part).text", "string", "the words of a part of type text"),
      ], medium("image_url", "the picture"),
      [
        RequestField("\(part).image_url.detail", "low, medium, high, original or auto", "a ninth, a third or all of the tokens")
      ], medium("video_url", "the video"), medium("audio_url", "the sound"),
      [
        RequestField("\(part).input_audio", "object", "sound as OpenAI's clients send it"),
        RequestField("\(part).input_audio.data", "string", "the file in base64"),
        RequestField("\(part).input_audio.format", "string", "the file's format; wav unless given"),
      ], budget("\(part).input_audio", "of this sound alone"),
      [
        RequestField("max_tokens", "whole number", "longest answer, in tokens"),
        RequestField("max_completion_tokens", "whole number", "the same under OpenAI's newer name"),
        RequestField("temperature", "0 to 100", "0 takes the most likely token always; 1 unless given"),
        RequestField("top_p", "above 0, at most 1", "draw from the likeliest tokens whose probabilities add up to this"),
        RequestField("top_k", "whole number", "draw from this many likeliest tokens; 0 or -1 for all"),
        RequestField("repetition_penalty", "0.01 to 100", "above 1, tokens that occurred already become less likely"),
        RequestField("seed", "whole number", "where random numbers start"),
        RequestField("n", "1", "number of answers"),
        RequestField("stop", "string or list of strings", "the answer ends before any of them"),
        RequestField("ignore_eos", "true or false", "go on after the token that ends an answer"),
        RequestField("stream", "true or false", "send the answer piece by piece"),
        RequestField("stream_options", "object", "only with stream"),
        RequestField("stream_options.include_usage", "true or false", "end the stream with what the answer cost"),
        RequestField("stream_options.continuous_usage_stats", "false", "accepted for other clients"),
        RequestField("stream_options.include_obfuscation", "any", "accepted and without effect"),
        RequestField("cache_salt", "string", "share cached work only with requests that name the same word"),
      ], budget("", "of every picture of the request"),
      [
        RequestField(
          "visual_tokens.target_ttft_ms", "number", "milliseconds to the first token that auto and on_overload aim at"),
        RequestField("visual_tokens.on_overload", "queue, degrade or reject", "what to do where the target would be missed"),
        RequestField("visual_tokens.return", "none, indices or overlay", "what the answer tells about the tokens that were kept"),
        RequestField("mm_processor_kwargs", "object", "vLLM's place for the same"),
        RequestField("mm_processor_kwargs.visual_tokens", "as visual_tokens", "as visual_tokens"),
      ],
    ]
    return groups.flatMap { $0 }
  }()

  private static func medium(_ name: String, _ noun: String) -> [RequestField] {
    let path = "\(part).\(name)"
    return [
      RequestField(path, "object", noun),
      RequestField("\(path).url", "string", "a data URI, or an address that the server allows"),
    ] + budget(path, "of \(noun) alone")
  }

  private static func budget(_ parent: String, _ scope: String) -> [RequestField] {
    let path = (parent.isEmpty ? "" : parent + ".") + "visual_tokens"
    return [
      RequestField(path, "whole number, \"auto\", \"auto:64\" or object", "visual tokens \(scope)"),
      RequestField("\(path).budget", "whole number, \"auto\" or \"auto:64\"", "how many tokens"),
      RequestField("\(path).min", "whole number", "the fewest that will do, for auto and under load"),
      RequestField("\(path).max", "whole number", "the most that are wanted, for auto"),
    ]
  }
}
