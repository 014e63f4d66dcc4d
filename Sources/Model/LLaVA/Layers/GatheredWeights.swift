import Torch

/// A part of a model whose weights are used together.
public enum WeightPart: Hashable, Sendable {
  /// From pictures to rows: tower, projector, and where rows of patches have ends, these.
  case encoder
  /// What the backward pass through the encoder reads.
  case encoderGradient
  /// The table of token embeddings, and what else the decoder has for its input.
  case embeddings
  /// A decoder layer, with its adapters.
  case layer(Int)
  /// The output layer.
  case head
  /// What holds the weight of a name.
  case weight(String)
}

/// What a pass through a model is going to use, in the order of the decoder's branches.
public struct WeightPass: Sendable, Equatable {
  /// Layers in front of which branches without gradients go on alone, to the last layer.
  public var departures: Set<Int>
  /// True where a frozen model beside this one is the teacher.
  public var asksFrozen: Bool
  /// True where compressors look at the embeddings of text while pictures are encoded.
  public var readsText: Bool
  /// True where a backward pass follows.
  public var recordsGradients: Bool

  /// A pass of its parts.
  public init(departures: Set<Int>, asksFrozen: Bool, readsText: Bool, recordsGradients: Bool) {
    (self.departures, self.asksFrozen) = (departures, asksFrozen)
    (self.readsText, self.recordsGradients) = (readsText, recordsGradients)
  }
}

/// Weights of which each of several processes holds a part, and which are brought together for as long as they are used.
///
/// A tensor of such a model has memory only while its part is there, so whoever uses weights asks for them first.
public protocol GatheredWeights: Sendable {
  /// Says what the pass that begins is going to use; all processes then walk one sequence that has everything any of them uses.
  ///
  /// - Throws: an error where another process is gone.
  func begin(_ pass: WeightPass) throws
  /// Has a part's weights there until another part is asked for.
  ///
  /// - Throws: an error where another process is gone, or the part is not next.
  func need(_ part: WeightPart) throws
}

/// Weights from a list.
struct GivenParameters: ParameterSource {
  let tensors: [String: Tensor]

  func contains(_ name: String) -> Bool { tensors[name] != nil }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    guard let tensor = tensors[name] else { throw CheckpointError.missing(parameter: name, folder: "the model itself") }
    return tensor
  }
}
