import Torch

/// What was found wrong with choices on a GPU, where asking at once would make everything wait.
public struct ChoiceCheck: Sendable {
  private let compressor: String
  /// Number of wrong indices, a scalar on the device.
  private let faults: Tensor

  /// Waits for the device.
  ///
  /// - Throws: `CompressionError.badSelection` where indices repeated or lay outside of their image.
  public func validate() throws {
    if try faults.item() > 0 {
      throw CompressionError.badSelection(compressor: compressor, reason: "gave indices that repeat or lie outside of the image")
    }
  }

  init(_ compressor: String, _ faults: Tensor) {
    self.compressor = compressor
    self.faults = faults
  }
}

extension TokenReducer {
  private var name: String { "\(type(of: self))" }
  private func refusal(_ reason: String) -> CompressionError { .badSelection(compressor: name, reason: reason) }

  /// What is left of each image, indices ascending unless the compressor says that it does not keep the order; nil where all of it stays.
  ///
  /// Nothing is recorded for gradients.
  ///
  /// - Parameter checks: receives what could not be checked at once because it lies on a GPU; indices are brought into range there.
  /// - Throws: `CompressionError.badSelection` where the compressor breaks its promise, `.notFinite`; `TorchError`.
  package func checked(_ choices: [TokenChoice], _ checks: inout [ChoiceCheck]) throws -> [Reduction?] {
    let ends = try choices.map { try RowEndChoice($0) }
    let asked = try zip(choices, ends).map { try $1?.withoutEnds() ?? $0 }
    return try zip(checkedTokens(asked, &checks), ends).map { found, ends in
      try found.map { try ends?.withEnds($0) ?? $0 }
    }
  }

  /// What the compressor says about an image's numbers, none of them below 0.
  package func checkedBudget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int] {
    let asked = try RowEndChoice(choice)?.withoutEnds() ?? choice
    if asked.tokens.count == 0 { return [:] }
    return try withoutGradient { try budget(asked, later: later) }.mapValues { max(0, $0) }
  }

  private func checkedTokens(_ choices: [TokenChoice], _ checks: inout [ChoiceCheck]) throws -> [Reduction?] {
    var found: [Reduction?] = choices.map { _ in nil }
    for (index, choice) in choices.enumerated() where choice.count == 0 && choice.tokens.count > 0 {
      found[index] = .keep(try Tensor([Int](), on: choice.tokens.device))
    }
    let asked = choices.indices.filter { 0 < choices[$0].count && choices[$0].count < choices[$0].tokens.count }
    for tokens in asked.map({ choices[$0].tokens }) where tokens.patches == nil && tokens.count != tokens.layout.count {
      throw TorchError.shapeMismatch(what: "an image's tokens", found: [tokens.count], expected: [tokens.layout.count])
    }
    if asked.isEmpty { return found }
    let given = try withoutGradient { try reduce(asked.map { choices[$0] }) }
    if given.count != asked.count { throw refusal("chose for \(given.count) images where \(asked.count) were asked about") }
    for (index, reduction) in zip(asked, given) { try checkShape(reduction, choices[index]) }
    for (index, reduction) in zip(asked, try sorted(given, asked.map { choices[$0] })) {
      found[index] = try checkIndices(reduction, choices[index], &checks)
    }
    return found
  }

  private func checkShape(_ reduction: Reduction, _ choice: TokenChoice) throws {
    guard let kept = reduction.kept else { throw refusal("resizes the picture, which is possible before the tower alone") }
    guard kept.dtype == .int64, kept.shape == [choice.count] else {
      throw refusal("gave \(kept.dtype) of shape \(kept.shape) where \(choice.count) int64 indices were asked for")
    }
    let widths = [choice.tokens.count] + (choice.tokens.classRow == nil ? [] : [choice.tokens.count + 1])
    if case .merge(_, let weights) = reduction,
      !widths.contains(where: { weights.shape == [choice.count, $0] }) || weights.dtype != .float32
    {
      throw refusal(
        "gave weights of \(weights.dtype) and shape \(weights.shape), expected float32 \([choice.count, choice.tokens.count])")
    }
  }

  /// Indices that are kept in ascending order, as many of one length as there are in one pass; merges have theirs so already.
  private func sorted(_ given: [Reduction], _ choices: [TokenChoice]) throws -> [Reduction] {
    var found = given
    let keeping = given.indices.filter { if case .keep = given[$0] { true } else { false } }
    for members in Dictionary(grouping: keeping, by: { choices[$0].count }).values {
      let indices = try members.map { try (given[$0].kept ?? Tensor([Int]())).to(choices[$0].tokens.device) }
      let sorted = try stack(indices).sorted().values
      for (row, member) in members.enumerated() { found[member] = .keep(try sorted.selected(0, row)) }
    }
    return found
  }

  private func checkIndices(_ reduction: Reduction, _ choice: TokenChoice, _ checks: inout [ChoiceCheck]) throws -> Reduction {
    guard let given = reduction.kept else { return reduction }
    let tokens = choice.tokens
    let kept = keepsOrder ? given : try given.sorted().values
    if tokens.device == .cpu {
      let indices = try kept.array(Int.self)
      guard (indices.first ?? 0) >= 0, (indices.last ?? 0) < tokens.count, zip(indices, indices.dropFirst()).allSatisfy(<) else {
        // Order by NaN is no order.
        guard try tokens.hidden().to(.float32).sum().item().isFinite else { throw CompressionError.notFinite }
        throw refusal("gave indices that repeat, are out of order or lie outside 0..<\(tokens.count)")
      }
      return reduction
    }
    // Where the answer is not at hand: wrong ones are counted, and brought into range so that nothing is read out of bounds.
    let numbers = try kept.to(.float32)
    let near = try numbers.clamped(0, Double(tokens.count - 1))
    let inRange = try near.to(.int64)
    let steps = choice.count - 1
    let rises = try (numbers.narrow(0, from: 1, length: steps) - numbers.narrow(0, from: 0, length: steps)).clamped(nil, 1).sum()
    let faults = try (numbers - near).abs().sum() - rises + Double(steps)
    checks.append(ChoiceCheck(name, faults))
    guard case .merge(_, let weights) = reduction else { return .keep(inRange) }
    return .merge(kept: try keepsOrder ? inRange : given.clamped(0, Double(tokens.count - 1)).to(.int64), weights: weights)
  }
}
