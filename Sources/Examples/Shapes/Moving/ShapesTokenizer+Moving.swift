import Foundation
import Language

extension ShapesTokenizer {
  /// The tokenizer of questions about clips.
  public static let moving = ShapesTokenizer(movingWords)

  private static let movingWords: Words = {
    let times = ["end", "start"]
    let openers = times.flatMap { time in
      ["is there a", "what color is the", "how many shapes are", "where is the", "what does the counter"].map {
        "at the \(time), \($0)"
      }
    }
    let shapes = ShapeKind.allCases.map(\.rawValue)
    return Words(
      special: ["<image>", "<video>", "<pad>"],
      openers: openers + ["which way goes the", "which shape appears", "how many shapes"],
      endings: shapes + ["first", "last", "appear", "there", "say"], singulars: [:],
      words: MovingLabels.groups.filter { $0.name != "digit" }.flatMap(\.words)
        + MovingFrame.Direction.allCases.map(\.rawValue) + ["first", "last", "appear", "there", "say", "yes", "no"]
        + Scene.numbers,
      chatTemplate: vicunaTemplate)
  }()

  /// Vicuna's format, which a Qwen2 decoder is asked in only where its checkpoint says so.
  private static let vicunaTemplate: String = {
    let vicuna = ConversationTemplate.vicunaV1
    let opening = (vicuna.system + vicuna.systemSuffix).replacingOccurrences(of: "'", with: "\\'")
    return """
      {%- for message in messages %}
      {%- if loop.first %}{{ '\(opening)' }}{% endif %}
      {%- if message['role'] == 'user' %}{{ 'USER: ' }}
      {%- for part in message['content'] %}
      {%- if part['type'] == 'text' %}{{ part['text'] }}{% else %}{{ '<' + part['type'] + '>\\n' }}{% endif %}
      {%- endfor %}{{ ' ' }}
      {%- elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' }}
      {%- for part in message['content'] %}{{ part['text'] }}{% endfor %}{{ '</s>' }}
      {%- endif %}
      {%- endfor %}
      {%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}
      """
  }()
}
