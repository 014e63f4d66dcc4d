import LLaVA

/// Which units hold the weights of a model's parts.
struct ModelUnits: Sendable {
  /// The weights' names, in the order of the model's list.
  let names: [String]
  /// All decoder layers' units.
  let layers: [[Int]]
  /// The units of the last norm, which compressors, the loss and its backward pass use at any time: there during a whole pass.
  let resident: [Int]
  /// By the weight's name.
  private let units: [String: Int]
  private let encoder, encoderGradient, embeddings, head: [Int]

  /// - Parameters:
  ///   - units: the unit of each weight, by name.
  ///   - trained: the groups that change.
  init(_ model: LLaVAModel, _ units: [String: Int], trained: Set<ParameterGroup>) {
    self.units = units
    let parameters = model.parameters.parameters
    names = parameters.map(\.name)
    func of(_ includes: (Parameter) -> Bool) -> [Int] {
      var found: [Int] = []
      for parameter in parameters where includes(parameter) {
        if let unit = units[parameter.name], !found.contains(unit) { found.append(unit) }
      }
      return found
    }
    let (tower, projector) = (of { $0.group == .tower }, of { $0.group == .projector })
    embeddings = of { Self.key($0) == "embeddings" }
    encoder = tower + projector + (parameters.contains(where: \.isImageNewline) ? embeddings : [])
    encoderGradient = trained.contains(.tower) ? tower + projector : trained.contains(.projector) ? projector : []
    layers = (0..<model.configuration.text.layers).map { index in of { Self.key($0) == "layer \(index)" } }
    let output = of { Self.key($0) == "lm_head" }
    head = output.isEmpty ? embeddings : output
    resident = of { Self.key($0) == "norm" }
  }

  /// What a weight is gathered with.
  static func key(_ parameter: Parameter) -> String {
    switch parameter.group {
    case .tower, .projector: return parameter.group.rawValue
    case .decoder, .adapter:
      let parts = parameter.name.split(separator: ".")
      if parts.count > 2, parts[1] == "layers" { return "layer \(parts[2])" }
      return parts.count > 1 && ["norm", "lm_head"].contains(parts[1]) ? String(parts[1]) : "embeddings"
    }
  }

  /// The units of a part, each once.
  func units(of part: WeightPart) -> [Int] {
    switch part {
    case .encoder: encoder
    case .encoderGradient: encoderGradient
    case .embeddings: embeddings
    case .layer(let index): layers.indices.contains(index) ? layers[index] : []
    case .head: head
    case .weight(let name): units[name].map { [$0] } ?? []
    }
  }
}
