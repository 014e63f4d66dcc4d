/// The soft accuracy of VQA: an answer counts by how many people gave it.
///
/// For each person i, m_i of the *others* gave the answer and a_i = min(1, m_i / 3); the accuracy is the mean of a_i (Antol et al.
/// 2015, arXiv 1505.00468, as all public scorers compute it). Of ten references, 0, 1, 2, 3 and 4 matches give 0, 0.3, 0.6, 0.9 and
/// 1; the shortcut min(1, n / 3) gives other numbers.
enum SoftAccuracy {
  /// The accuracy, in 0...1, of an answer against references that are normalised as it is.
  static func score(_ answer: String, _ references: [String]) -> Double {
    guard !references.isEmpty else { return 0 }
    let matches = references.count { $0.unicodeScalars.elementsEqual(answer.unicodeScalars) }
    // A person whose own answer matches is left out of the matches; the order of persons makes no difference.
    let own = Double(matches) * min(1, Double(matches - 1) / 3)
    let others = Double(references.count - matches) * min(1, Double(matches) / 3)
    return (matches == 0 ? 0 : own + others) / Double(references.count)
  }

  /// What is done to both sides before they are compared.
  enum Scorer: String, CaseIterable {
    /// N1 on both sides: LLaVA's scorer for TextVQA, lmms-eval's for TextVQA and VizWiz.
    case m4c
    /// The official VQA scorer on the raw answer.
    ///
    /// It normalises only if the raw references differ, so that after unanimous ones "Yes" is not "yes".
    case vqaOfficial = "vqa-official"
    /// The official VQA scorer on N1 of the answer, as LLaVA submits it.
    case vqaSubmitted = "vqa-submitted"
    /// lmms-eval's VQAv2 since August 2025: N2 always, on both sides.
    case lmmsEval = "lmms-eval"
    /// The public copy of VizWiz's scorer on the raw answer: N2 on it, and references as they are.
    case vizwizOfficial = "vizwiz-official"
    /// The same on N1 of the answer, as LLaVA submits it.
    case vizwizSubmitted = "vizwiz-submitted"
    /// N3 on both sides.
    case vlmevalkit

    /// What is compared, for reports.
    var summary: String {
      switch self {
      case .m4c: "N1 on both sides"
      case .vqaOfficial: "raw answers; N2 on both sides where the references differ"
      case .vqaSubmitted: "N1 on answers; then N2 on both sides where the references differ"
      case .lmmsEval: "N2 on both sides"
      case .vizwizOfficial: "N2 on answers, references as they are"
      case .vizwizSubmitted: "N1, then N2 on answers, references as they are"
      case .vlmevalkit: "N3 on both sides"
      }
    }

    /// The normalised answer and its accuracy in 0...1.
    func score(_ answer: String, _ references: [String]) -> (parsed: String, score: Double) {
      switch self {
      case .m4c: return both(.m4c, answer, references)
      case .lmmsEval: return both(.vqaCommaRuns, answer, references)
      case .vlmevalkit: return both(.vlmevalkit, answer, references)
      case .vqaSubmitted: return Scorer.vqaOfficial.score(AnswerNormalizer.m4c(answer), references)
      case .vqaOfficial:
        if Set(references).count > 1 { return both(.vqa, answer, references) }
        let parsed = AnswerNormalizer.whitespaceOnly(answer)
        return (parsed, SoftAccuracy.score(parsed, references.map(AnswerNormalizer.whitespaceOnly)))
      case .vizwizSubmitted: return Scorer.vizwizOfficial.score(AnswerNormalizer.m4c(answer), references)
      case .vizwizOfficial:
        let parsed = AnswerNormalizer.vqa(answer)
        return (parsed, SoftAccuracy.score(parsed, references))
      }
    }

    private func both(_ normalize: AnswerNormalizer, _ answer: String, _ references: [String]) -> (parsed: String, score: Double)
    {
      let parsed = normalize(answer)
      return (parsed, SoftAccuracy.score(parsed, references.map { normalize($0) }))
    }
  }
}
