import Compression
import Distillation
import Imaging
import LLaVA
import Torch
import Video

/// Everything that a training run is told.
///
/// Files and flags call the fields by the names in `ConfigurationKey.all`, which also says which values are good; `TrainingRun` refuses
/// others. What is nil follows from something else (the preset, the semantics, the stage) unless it is given.
public struct TrainingConfiguration: Sendable, Equatable {
  /// What is trained for.
  public enum Stage: String, Sendable, CaseIterable {
    /// Visual instruction tuning: projector and decoder, with a curriculum.
    case tune
    /// The projector alone on captions, template plain, as LLaVA's first stage; with a curriculum where one is named.
    case pretrain
  }

  /// How often ratios are drawn.
  public enum RatioDraws: String, Sendable, CaseIterable {
    /// Once for a micro-batch, as the released code does.
    case batch
    /// For each sample, which packed batches make free.
    case sample
  }

  /// What micro-batches of one step weigh.
  public enum LossWeighting: String, Sendable, CaseIterable {
    /// As much as they have supervised tokens, so that accumulation does not change a step.
    case tokens
    /// The same, as the released code does.
    case batches
  }

  /// The samples.
  public struct Data: Sendable, Equatable {
    /// JSON or JSON lines in LLaVA's instruction format, or tar shards: one, a folder of them, or a pattern such as `shard-{0000..0009}.tar`.
    public var file = ""
    /// Folder of the pictures; the file's own where it is nil.
    public var images: String?
    /// Several files in place of `file` and `images`.
    public var sources: [DataSource]?
    /// Takes the first so many records of each file alone; all where it is nil.
    public var limit: Int?
    /// Conversation template by name; the model's own, or `plain` to pretrain, where it is nil.
    public var template: String?
    /// Tokens of the longest sample, visual tokens included; longer ones are skipped.
    public var maximumLength = 2048
    /// Frames of a video's second that are looked at.
    public var fps = FrameSampling.standardFPS
    /// Most frames of a video.
    public var maximumFrames = FrameSampling.standardMaximum
    /// Random changes of the pictures that are trained on.
    public var augment: [PictureAugmentation.Change] = []
    /// Threads that read ahead.
    public var workers = 2
    /// Samples that are read ahead.
    public var ahead = 64
    /// Batches of one kind, with or without pictures, and of balanced lengths, as LLaVA's.
    public var isGrouped = true
    /// The first broken sample ends the run; else it is skipped.
    public var isStrict = false
  }

  /// How many samples a step has.
  public struct Batch: Sendable, Equatable {
    /// Samples of a micro-batch.
    public var samples = 8
    /// Rows of a micro-batch, visual tokens included, in place of `samples`.
    public var tokens: Int?
    /// Micro-batches of a step.
    public var accumulation = 1
  }

  /// Where tokens are dropped and how many, over training; nil is the preset's.
  public struct CurriculumChoice: Sendable, Equatable {
    /// `token`, `layer`, `integrated`, `fixed`, `nested`, `auto`, or `none`, where no token is dropped.
    public var name: String?
    /// Decoder layers before the cut; where they change, the last.
    public var layer: Int?
    /// Lower end of the student's ratios, shares of the visual tokens that go.
    public var studentMinimum: Ramp?
    /// Upper end of the student's ratios.
    public var studentMaximum: Ramp?
    /// How much smaller the teacher's ratio is.
    public var gap: Ramp?
    /// The teacher's ratio does not fall below this.
    public var teacherMinimum: Double?
    /// Which layer a place between two is.
    public var rounding: LayerRounding?
    /// Layers that `integrated` visits.
    public var stages: Int?
    /// Share of training at its end that keeps what was reached.
    public var hold: Double?
    /// The smallest budget of `nested` and `auto` in tokens; a sixteenth of all where it is nil.
    public var smallest: Int?
    /// Budgets of `nested` between all tokens and the smallest, drawn for each sample.
    public var between: Int?
    /// Fixed budgets of `nested` in place of drawn ones.
    public var ladder: [Int]?
    /// Steps of `nested` from one with all tokens to the next; 0 for none.
    public var fullEvery: Int?
    /// One budget for each sample of `nested`, in place of several for all.
    public var mixes: Bool?
    /// What pulls the budgets of `nested`.
    public var teacher: NestedTeacher?
    /// What goes from easy to hard in `nested`.
    public var progression: NestedProgression?
    /// Layers of `nested` before which tokens are dropped, one drawn for each sample and branch.
    public var cutLayers: [Int]?
    /// Parts of the loss of `nested` that all tokens, each budget between, and the smallest have.
    public var shares: [Double]?
    /// λ of the same three.
    public var divergenceWeights: [Double]?
    /// Ratios and budgets for each batch, or for each sample; nil for samples with `nested`, else for batches.
    public var draws: RatioDraws?
  }

  /// Who chooses tokens.
  public struct CompressionChoice: Sendable, Equatable {
    /// A compressor of `ReducerRegistry.standard`, or several with commas between them, one of which is drawn for each step; a name that
    /// stands twice is drawn twice as often.
    public var compressor = "dart"
    /// Each of them by its name.
    public var compressors: [String] {
      compressor.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    /// Whether it looks at the prompt alone; as `semantics` of the run where it is nil.
    public var semantics: CompressionSemantics?
    /// Pivots of DART in the image.
    public var imagePivots = 4
    /// Pivots of DART in the text.
    public var textPivots = 4
    /// How many tokens a curriculum's ratio leaves.
    public var counts = RatioCounts.formula
    /// A plan for all steps in place of a curriculum, `dart:64@2`; nil where the curriculum says what is dropped.
    public var reduce: String?
  }

  /// The loss.
  public struct Distillation: Sendable, Equatable {
    /// λ, the teacher's share of the loss; 0 trains without a teacher, nil is the preset's.
    public var divergenceWeight: Double?
    /// τ of both sides.
    public var temperature = 1.0
    /// How far a student is from its target.
    public var divergence = Divergence.forward
    /// Which positions count in it, and how much.
    public var guidance = DivergenceGuidance.all
    /// Multiply the divergence by τ²; the preset's where it is nil.
    public var scalesByTemperature: Bool?
    /// Where both sides are compared; the preset's where it is nil.
    public var positions: DivergencePositions?
    /// How random tokens of both sides hang together.
    public var draws = TokenDraws.independent
    /// Rows whose logits exist at one time.
    public var chunkRows = 256
    /// Compute activations again in place of keeping them.
    public var recomputesActivations = false
    /// Measure the gradient norms of both terms.
    public var measuresGradients = false
  }

  /// How weights change.
  public struct Optimizer: Sendable, Equatable {
    /// What is trained; what the stage trains where it is nil.
    public var parts: [ParameterGroup]?
    /// The highest learning rate; LLaVA's of the stage where it is nil.
    public var learningRate: Double?
    /// The projector's, where it differs.
    public var projectorLearningRate: Double?
    /// The tower's, where it differs.
    public var towerLearningRate: Double?
    /// The token embeddings', where it differs.
    public var embeddingLearningRate: Double?
    /// How the rate goes over the steps.
    public var schedule = LearningRateSchedule.Shape.cosine
    /// Share of the steps with a rising rate.
    public var warmupRatio = 0.03
    /// Share of the steps in which `constantDecay` falls.
    public var decayRatio = 0.2
    /// β₁ of AdamW.
    public var beta1 = 0.9
    /// β₂ of AdamW.
    public var beta2 = 0.999
    /// ε of AdamW.
    public var epsilon = 1e-8
    /// Decay of weights; norms and biases have none.
    public var weightDecay = 0.0
    /// Larger gradients are scaled down to this norm; nil leaves them.
    public var maximumGradientNorm: Double?
    /// What micro-batches weigh; as the semantics say where it is nil.
    public var weighting: LossWeighting?
  }

  /// Adapters that are trained in place of the decoder's own weights.
  public struct LoRA: Sendable, Equatable {
    /// Their rank; nil for no adapters.
    public var rank: Int?
    /// Their change counts α/rank times; twice the rank where it is nil.
    public var alpha: Double?
    /// Linear layers that have one; all where it is nil.
    public var targets: [LoRAOptions.Target]?
  }

  /// When checkpoints are written, and how many stay.
  public struct Checkpoints: Sendable, Equatable {
    /// Steps between two; only at the end where it is nil.
    public var every: Int?
    /// Newest ones that stay.
    public var keep = 2
    /// Keeps the one with the lowest loss on samples that are not trained on too: with `all` tokens, under a plan of `validation.reduce`,
    /// or the `mean` of all these; or the one with the highest score, of a benchmark by its name, or of all `benchmarks`.
    public var best: String?
    /// Ends training where that loss or score has not improved for so many measurements; never where it is nil.
    public var patience: Int?
  }

  /// How several processes train together.
  public struct Distributed: Sendable, Equatable {
    /// What is divided among them.
    public enum Shard: String, Sendable, CaseIterable {
      /// Nothing: each has the whole model and optimizer.
      case none
      /// Masters and moments of weights, and sums of gradients (ZeRO's first and second stage, arXiv 1910.02054).
      case optimizer
      /// The weights themselves as well, which are brought together while they are used (ZeRO's third stage); activations are computed
      /// again in the backward pass.
      case full
    }

    /// What is divided among them.
    public var shard = Shard.none
    /// Seconds that one of them may keep the others waiting.
    public var timeout = 1800.0
  }

  /// What is logged.
  public struct Log: Sendable, Equatable {
    /// Steps between lines that the command prints.
    public var every = 1
    /// Write event files for TensorBoard.
    public var tensorboard = true
    /// The step, counted from 1, whose operators are written to a trace; none unless given.
    public var trace: Int?
  }

  /// Checkpoint folder that training starts from.
  public var model = ""
  /// Folder for checkpoints, metrics and logs.
  public var output = ""
  /// What is trained for.
  public var stage = Stage.tune
  /// Where constants come from; nil for the curriculum's own, the paper's where it has it.
  public var preset: CurriculumPreset?
  /// Corrected, or as the released code does.
  public var semantics = CompressionSemantics.corrected
  /// Optimizer steps; as many as `epochs` has where it is nil.
  public var steps: Int?
  /// Times through the data.
  public var epochs = 1.0
  /// Precision of the weights; masters, moments and losses are float32.
  public var dtype = DType.bfloat16
  /// Bits of the decoder's matrices, 4 or 8, beside which adapters are trained; as they are stored where it is nil.
  public var bits: Int?
  /// `cpu`, `cuda` or `cuda:N`.
  public var device = "cpu"
  /// CPU threads; all cores where it is nil.
  public var threads: Int?
  /// Where random numbers start.
  public var seed = 0
  /// The samples.
  public var data = Data()
  /// How many samples a step has.
  public var batch = Batch()
  /// Where tokens are dropped and how many.
  public var curriculum = CurriculumChoice()
  /// Who chooses tokens.
  public var compression = CompressionChoice()
  /// The loss.
  public var distillation = Distillation()
  /// How weights change.
  public var optimizer = Optimizer()
  /// Adapters.
  public var lora = LoRA()
  /// When checkpoints are written.
  public var checkpoints = Checkpoints()
  /// Samples that are not trained on.
  public var validation = Validation()
  /// How several processes train together.
  public var distributed = Distributed()
  /// What is logged.
  public var log = Log()

  /// The defaults; model, data and output are still to be named.
  public init() {}
}
