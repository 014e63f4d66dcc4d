import CTorch

/// The C image of an argument list.
///
/// Lists lie in three shared arrays, so that a call allocates little, and are pointed to only
/// while the call runs.
struct ArgumentFrame {
  private var values: [ct_value] = []
  private var integers: [Int64] = []
  private var numbers: [Double] = []
  private var handles: [ct_tensor?] = []
  private var text: [CChar] = []
  /// Which array each list lies in and where it starts.
  private var lists: [(value: Int, kind: Kind, start: Int)] = []
  /// Keeps what the handles belong to alive during the call.
  private let arguments: [OperatorArgument]

  private enum Kind { case integers, numbers, handles, text }

  init(_ arguments: [OperatorArgument]) {
    self.arguments = arguments
    values.reserveCapacity(arguments.count)
    for argument in arguments { append(argument) }
  }

  private mutating func append(_ argument: OperatorArgument) {
    var value = ct_value()
    switch argument {
    case .none: value.tag = Int32(CT_NONE.rawValue)
    case .standard: value.tag = Int32(CT_DEFAULT.rawValue)
    case .tensor(let tensor):
      value.tag = Int32(CT_TENSOR.rawValue)
      value.pointer = UnsafeRawPointer(tensor.handle)
    case .int(let integer):
      value.tag = Int32(CT_INT.rawValue)
      value.integer = Int64(integer)
    case .double(let number):
      value.tag = Int32(CT_DOUBLE.rawValue)
      value.number = number
    case .bool(let truth):
      value.tag = Int32(CT_BOOL.rawValue)
      value.integer = truth ? 1 : 0
    case .device(let device):
      value.tag = Int32(CT_DEVICE.rawValue)
      value.integer = Int64(device.type)
      value.count = device.index
    case .generator(let generator):
      value.tag = Int32(CT_GENERATOR.rawValue)
      value.pointer = UnsafeRawPointer(generator.handle)
    case .string(let string):
      value.tag = Int32(CT_STRING.rawValue)
      lists.append((values.count, .text, text.count))
      text.append(contentsOf: string.utf8CString)
    case .ints(let list):
      value.tag = Int32(CT_INT_LIST.rawValue)
      value.count = Int32(list.count)
      lists.append((values.count, .integers, integers.count))
      integers.append(contentsOf: list.lazy.map(Int64.init))
    case .bools(let list):
      value.tag = Int32(CT_BOOL_LIST.rawValue)
      value.count = Int32(list.count)
      lists.append((values.count, .integers, integers.count))
      integers.append(contentsOf: list.lazy.map { $0 ? 1 : 0 })
    case .doubles(let list):
      value.tag = Int32(CT_DOUBLE_LIST.rawValue)
      value.count = Int32(list.count)
      lists.append((values.count, .numbers, numbers.count))
      numbers.append(contentsOf: list)
    case .tensors(let list):
      value.tag = Int32(CT_TENSOR_LIST.rawValue)
      value.count = Int32(list.count)
      lists.append((values.count, .handles, handles.count))
      handles.append(contentsOf: list.lazy.map { $0?.handle })
    }
    values.append(value)
  }

  mutating func withValues<R>(_ body: (UnsafeBufferPointer<ct_value>) -> R) -> R {
    if lists.isEmpty {
      return withExtendedLifetime(arguments) { values.withUnsafeBufferPointer(body) }
    }
    return withExtendedLifetime(arguments) {
      integers.withUnsafeBufferPointer { integers in
        numbers.withUnsafeBufferPointer { numbers in
          handles.withUnsafeBufferPointer { handles in
            text.withUnsafeBufferPointer { text in
              for (value, kind, start) in lists {
                switch kind {
                case .integers: values[value].pointer = integers.baseAddress.map { UnsafeRawPointer($0 + start) }
                case .numbers: values[value].pointer = numbers.baseAddress.map { UnsafeRawPointer($0 + start) }
                case .handles: values[value].pointer = handles.baseAddress.map { UnsafeRawPointer($0 + start) }
                case .text: values[value].pointer = text.baseAddress.map { UnsafeRawPointer($0 + start) }
                }
              }
              return values.withUnsafeBufferPointer(body)
            }
          }
        }
      }
    }
  }
}
