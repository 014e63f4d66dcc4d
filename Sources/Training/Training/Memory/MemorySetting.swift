import Compression
import Distillation
import LLaVA
import Torch

/// All that the memory of a training step follows from.
public struct MemorySetting: Sendable {
  /// What several processes divide among them.
  public enum Sharding: String, Sendable, CaseIterable, Codable {
    /// Nothing.
    case none
    /// Masters and moments.
    case optimizer
    /// Weights and gradients as well, which are gathered unit by unit; activations are computed again.
    case full
  }

  /// A micro-batch; all of its samples are as long as the longest one.
  public struct MicroBatch: Sendable, Equatable {
    /// Samples, and pictures of each.
    public var samples: Int, pictures: Int
    /// Text tokens of a sample, and those of them that it learns to predict.
    public var text: Int, supervised: Int

    /// Whether samples differ in length, so that hardly two micro-batches have the same shapes.
    public var varies: Bool

    /// A micro-batch of its parts.
    public init(samples: Int, pictures: Int = 1, text: Int, supervised: Int, varies: Bool = true) {
      (self.samples, self.pictures, self.text, self.supervised) = (samples, pictures, text, supervised)
      self.varies = varies
    }
  }

  /// What computes.
  public struct Machine: Sendable, Equatable {
    /// A GPU has its own kernels; pictures that are read ahead are not in its memory.
    public var isGPU: Bool
    /// Products of bfloat16 in hardware.
    ///
    /// Without it a CPU makes float32 copies of weights and rows.
    public var hasNativeBFloat16 = true
    /// CPU threads.
    public var threads = 1
    /// Bytes that the program has before a model is there: measured on a CPU, libtorch's and CUDA's own on a GPU.
    public var program: Int

    /// Code and tables of libtorch, MKL and oneDNN that a CPU's first steps page in, about.
    public static let pagedIn = 60 << 20
    /// What CUDA, its kernels and cuBLAS's workspace take on a GPU before the first tensor, about.
    public static let cudaContext = 700_000_000

    /// Whether oneDNN compiles a kernel for each shape of a product: in bfloat16, on a CPU that multiplies it in hardware.
    func compiles(_ dtype: DType) -> Bool { !isGPU && dtype == .bfloat16 && hasNativeBFloat16 }

    /// A GPU.
    public static let gpu = Machine(isGPU: true, program: cudaContext)

    /// This machine's processor.
    ///
    /// - Parameter program: bytes that the process had before a model was read.
    public static func cpu(program: Int, threads: Int = Runtime.threads) -> Machine {
      Machine(
        isGPU: false, hasNativeBFloat16: Runtime.hasNativeBFloat16, threads: threads, program: program + pagedIn)
    }
  }

  /// What is trained, everything filled in.
  public var configuration: TrainingConfiguration
  /// The model's shape, and its weights, adapters among them.
  public var model: LLaVAConfiguration, weights: ModelWeights
  /// What is divided, and among how many.
  public var sharding = Sharding.none, processes = 1
  /// The largest micro-batch.
  public var batch: MicroBatch
  /// Compute activations again.
  public var recomputes: Bool
  /// Micro-batches of each process's step; gradients wait for the last one where there are several.
  public var accumulation: Int
  /// Where it runs.
  public var machine: Machine

  /// The setting of a resolved configuration.
  ///
  /// - Parameter weights: nil for what follows from the shape.
  /// - Throws: `ConfigurationError`, `LoRAError`.
  public init(
    _ configuration: TrainingConfiguration, for model: LLaVAConfiguration, weights: ModelWeights? = nil, batch: MicroBatch,
    processes: Int = 1, machine: Machine
  ) throws {
    (self.configuration, self.model, self.batch, self.machine) = (configuration, model, batch, machine)
    self.weights =
      try weights
      ?? ModelWeights(
        model, lora: configuration.loraOptions, quantization: configuration.quantization)
    self.processes = processes
    sharding = processes > 1 ? Sharding(rawValue: configuration.distributed.shard.rawValue) ?? .none : .none
    // Activations that would keep gathered weights are computed again.
    recomputes = configuration.distillation.recomputesActivations || sharding == .full
    accumulation = configuration.batch.accumulation
  }

  /// Whether weights are divided.
  var dividesWeights: Bool { sharding == .full && processes > 1 }

  /// The parts that are trained.
  var trained: Set<ParameterGroup> { Set(configuration.optimizerOptions.learningRates.keys) }

  /// Bytes of an element of weights.
  var element: Double { Double(configuration.dtype.size) }

  /// Visual tokens of a sample.
  public var visual: Int { model.layouts(of: batch.pictures).reduce(0) { $0 + $1.count } }

  /// Whether a weight's gradient goes through a linear layer's input.
  func learns(_ target: LoRAOptions.Target) -> Bool {
    trained.contains(.decoder) || trained.contains(.adapter) && configuration.loraOptions?.targets.contains(target) == true
  }
}
