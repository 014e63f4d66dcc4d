import Compression
import Distillation
import LLaVA
import Torch

/// Everything that a training run is told.
///
/// `ConfigurationKey.all` says what each field means and how files and flags call it; programs set fields by those names too. What is
/// nil follows from something else (the preset, the semantics, the stage) unless it is given.
public struct TrainingConfiguration: Sendable, Equatable {
  /// What is trained for.
  package enum Stage: String, Sendable, CaseIterable {
    /// Visual instruction tuning: projector and decoder, with a curriculum.
    case tune
    /// The projector alone on captions, template plain, as LLaVA's first stage; with a curriculum where one is named.
    case pretrain
  }

  /// How often ratios are drawn.
  package enum RatioDraws: String, Sendable, CaseIterable {
    /// Once for a micro-batch, as the released code does.
    case batch
    /// For each sample, which packed batches make free.
    case sample
  }

  /// What micro-batches of one step weigh.
  package enum LossWeighting: String, Sendable, CaseIterable {
    /// As much as they have supervised tokens, so that accumulation does not change a step.
    case tokens
    /// The same, as the released code does.
    case batches
  }

  /// The samples.
  package struct Data: Sendable, Equatable {
    package var file = ""
    package var images: String?
    package var template: String?
    package var maximumLength = 2048
    package var workers = 2
    package var ahead = 64
    package var isGrouped = true
    package var isStrict = false
  }

  /// How many samples a step has.
  package struct Batch: Sendable, Equatable {
    package var samples = 8
    package var tokens: Int?
    package var accumulation = 1
  }

  /// Where tokens are dropped and how many, over training.
  package struct CurriculumChoice: Sendable, Equatable {
    package var name: String?
    package var layer: Int?
    package var studentMinimum: Ramp?
    package var studentMaximum: Ramp?
    package var gap: Ramp?
    package var teacherMinimum: Double?
    package var rounding: LayerRounding?
    package var stages: Int?
    package var hold: Double?
    package var draws = RatioDraws.batch
  }

  /// Who chooses tokens.
  package struct CompressionChoice: Sendable, Equatable {
    package var compressor = "dart"
    package var semantics: CompressionSemantics?
    package var imagePivots = 4
    package var textPivots = 4
  }

  /// The loss.
  package struct Distillation: Sendable, Equatable {
    package var divergenceWeight: Double?
    package var temperature = 1.0
    package var scalesByTemperature: Bool?
    package var positions: DivergencePositions?
    package var draws = TokenDraws.independent
    package var chunkRows = 256
    package var recomputesActivations = false
    package var measuresGradients = false
  }

  /// How weights change.
  package struct Optimizer: Sendable, Equatable {
    package var parts: [ParameterGroup]?
    package var learningRate: Double?
    package var projectorLearningRate: Double?
    package var towerLearningRate: Double?
    package var embeddingLearningRate: Double?
    package var schedule = LearningRateSchedule.Shape.cosine
    package var warmupRatio = 0.03
    package var decayRatio = 0.2
    package var beta1 = 0.9
    package var beta2 = 0.999
    package var epsilon = 1e-8
    package var weightDecay = 0.0
    package var maximumGradientNorm: Double?
    package var weighting: LossWeighting?
  }

  /// Adapters that are trained in place of the decoder's own weights.
  package struct LoRA: Sendable, Equatable {
    package var rank: Int?
    package var alpha: Double?
    package var targets: [LoRAOptions.Target]?
  }

  /// What a run leaves behind.
  package struct Output: Sendable, Equatable {
    package var checkpointEvery: Int?
    package var checkpointKeep = 2
    package var logEvery = 1
    package var tensorboard = true
  }

  package var model = ""
  package var folder = ""
  package var stage = Stage.tune
  package var preset = CurriculumPreset.paper
  package var semantics = CompressionSemantics.corrected
  package var steps: Int?
  package var epochs = 1.0
  package var dtype = DType.bfloat16
  package var device = "cpu"
  package var threads: Int?
  package var seed = 0
  package var data = Data()
  package var batch = Batch()
  package var curriculum = CurriculumChoice()
  package var compression = CompressionChoice()
  package var distillation = Distillation()
  package var optimizer = Optimizer()
  package var lora = LoRA()
  package var output = Output()

  /// The defaults; model, data and output are still to be named.
  public init() {}
}
