import Foundation

/// What a laboratory tries: cells, each trained from every base with its seeds and evaluated in the same way.
public struct LabGrid: Sendable, Equatable {
  /// A checkpoint that training starts from.
  public struct Base: Sendable, Equatable {
    /// What people call it.
    public var name: String
    /// Its folder.
    public var model: String
    /// The seeds that each cell is trained with from it.
    public var seeds: [Int]
    /// The test bed that it belongs to, each with tables of its own; nil where a grid has one alone.
    public var bed: String?
    /// The file to train on in the data's folder; nil for `train.json`.
    public var file: String?
    /// `epic train`'s keys for all cells on it, above those of the grid and below a cell's own.
    public var training: [Setting] = []
  }

  /// A way of training.
  public struct Cell: Sendable, Equatable {
    /// What people call it.
    public var name: String
    /// `epic train`'s keys beside those of all cells, with values in YAML; nil for the base itself, untrained.
    public var training: [Setting]?
    /// The cell whose trained model this one goes back from towards the base, and the share of it that stays; nil for a cell that trains itself.
    public var interpolation: Interpolation?

    /// A model between the base and a trained one, as `epic convert --interpolate` writes it.
    public struct Interpolation: Sendable, Equatable {
      /// The name of a cell that trains.
      public var of: String
      /// Share of the trained weights, above 0 and below 1.
      public var weight: Double
    }
  }

  /// A key of `epic train` with its value.
  public struct Setting: Sendable, Equatable {
    /// As in `curriculum.name`.
    public var key: String
    /// In YAML.
    public var value: String
  }

  /// How every model is asked.
  public struct Evaluation: Sendable, Equatable {
    /// Names of benchmarks, compressors; numbers of visual tokens.
    public var benchmarks: [String] = [], compressors: [String] = [], keep: [Int] = []
    /// Decoder layers before the cut.
    public var layer = 2
  }

  /// Two cells whose difference is of interest: the first minus the second.
  public struct Pair: Sendable, Equatable {
    /// Names of cells.
    public var first: String, second: String
  }

  /// A folder that `epic data make` made: `train.json`, and `tune` and `test` to evaluate on.
  public var data: String
  /// Where training starts.
  public var bases: [Base]
  /// What all cells train with.
  public var training: [Setting]
  /// How all are evaluated.
  public var evaluation: Evaluation
  /// What is tried, in the order of the table.
  public var cells: [Cell]
  /// What is compared.
  public var pairs: [Pair]
}

/// One training, or one base as it is: what a line of the results is about.
public struct LabRun: Sendable, Hashable {
  /// Names of cell and base.
  public let cell: String, base: String
  /// Where random numbers start; nil for a base as it is.
  public let seed: Int?

  /// As in `tcd-a-0`.
  public var name: String { ([cell, base] + (seed.map { ["\($0)"] } ?? [])).joined(separator: "-") }
}

extension LabGrid {
  /// All runs: every cell for one seed before the next seed, and bases in turn, so that an unfinished grid has whole rows.
  ///
  /// - Parameters:
  ///   - only: names of cells; nil for all.
  ///   - seeds: nil for all.
  public func runs(only: [String]? = nil, seeds: [Int]? = nil) -> [LabRun] {
    let chosen = cells.filter { only?.contains($0.name) ?? true }
    var found: [LabRun] = []
    for round in 0..<(bases.map(\.seeds.count).max() ?? 0) {
      for base in bases where round < base.seeds.count && seeds?.contains(base.seeds[round]) ?? true {
        for cell in chosen {
          let run = LabRun(cell: cell.name, base: base.name, seed: cell.training == nil ? nil : base.seeds[round])
          if !found.contains(run) { found.append(run) }
        }
      }
    }
    return found
  }

  /// What a run lies between, where it does.
  func interpolation(of run: LabRun) -> Cell.Interpolation? { cells.first { $0.name == run.cell }?.interpolation }

  /// The run whose training a run stands on: its own, but for one of ``Cell/interpolation``.
  func trained(_ run: LabRun) -> LabRun {
    LabRun(cell: interpolation(of: run)?.of ?? run.cell, base: run.base, seed: run.seed)
  }

  /// The keys that a run is trained with, later ones above earlier ones; nil for a base as it is.
  public func settings(of run: LabRun) -> [Setting]? {
    let cell = trained(run).cell
    guard let own = cells.first(where: { $0.name == cell })?.training else { return nil }
    var found = training
    for setting in (bases.first { $0.name == run.base }?.training ?? []) + own {
      if let place = found.firstIndex(where: { $0.key == setting.key }) { found[place] = setting } else { found.append(setting) }
    }
    return found
  }

  /// Test beds in the order of their bases; one without a name where no base names any.
  public var beds: [String?] {
    var found: [String?] = []
    for base in bases where !found.contains(base.bed) { found.append(base.bed) }
    return found
  }

  /// The grid with the bases of one bed.
  public func on(_ bed: String?) -> LabGrid {
    var found = self
    found.bases = bases.filter { $0.bed == bed }
    return found
  }
}
