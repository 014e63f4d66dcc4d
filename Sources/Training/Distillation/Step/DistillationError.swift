/// Why a training step cannot be made.
public enum DistillationError: Error, Equatable, CustomStringConvertible {
  /// An option whose value makes no sense.
  case option(name: String, value: String, expected: String)
  /// Neither one stage nor one for each sample.
  case stageCount(stages: Int, samples: Int)
  /// Neither one plan nor one for each sample.
  case planCount(plans: Int, samples: Int)
  /// A step without anything that learns.
  case noStudent
  /// Samples of one batch are to be cut at different layers.
  case layersDiffer([Int])
  /// A teacher that is to see less than its student.
  case teacherSeesLess(teacher: Double, student: Double)
  /// A frozen teacher that answers in other tokens or sees other pictures.
  case teacherDiffers(what: String, teacher: Int, student: Int)
  /// No sample of a batch has a supervised token.
  case nothingSupervised(samples: Int)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .option(let name, let value, let expected): "\(name) is \(value), expected \(expected)"
    case .stageCount(let stages, let samples):
      "\(stages) stages were given for \(samples) samples; give one for all or one for each"
    case .planCount(let plans, let samples): "\(plans) plans were given for \(samples) samples; give one for all or one for each"
    case .noStudent: "a step needs a student; give one at least"
    case .layersDiffer(let layers):
      "the stages of one batch drop tokens at layers \(layers.map(String.init).joined(separator: ", ")); "
        + "give all of them the same layer, as samples of a batch share the layers before it"
    case .teacherSeesLess(let teacher, let student):
      "the teacher's ratio is \(teacher), expected at most the student's \(student): it is to see more visual tokens"
    case .teacherDiffers(let what, let teacher, let student):
      "the teacher has \(what) \(teacher) and the student \(student); take a teacher of the same vocabulary and pictures"
    case .nothingSupervised(let samples):
      "none of the batch's \(samples) samples has a supervised token that another one precedes; leave such samples out"
    }
  }
}
