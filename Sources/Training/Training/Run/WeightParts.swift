import Torch

/// Which weights belong to which process, in buckets that travel at once.
///
/// Whole weights are dealt out, the largest first, each to the process that has least; so what is worked out of a weight, a norm for instance,
/// does not depend on the number of processes. In a bucket every process has a part of equal length.
struct WeightParts {
  /// Weights of one type.
  struct Bucket {
    /// The weights of each process, by number.
    let members: [[Int]]
    let dtype: DType
    /// Elements of a part, filled up.
    let length: Int
  }

  /// Elements of a bucket, about; and what parts are multiples of.
  private static let elements = 1 << 22, alignment = 64

  /// The process that each weight belongs to.
  let owners: [Int]
  let buckets: [Bucket]

  init(_ weights: [Tensor], processes: Int) {
    self.init(counts: weights.map(\.count), dtypes: weights.map(\.dtype), processes: processes)
  }

  /// The same from sizes alone.
  init(counts: [Int], dtypes: [DType], processes: Int) {
    var owners = counts.map { _ in 0 }
    var loads = [Int](repeating: 0, count: processes)
    for index in counts.indices.sorted(by: { (counts[$1], $0) < (counts[$0], $1) }) {
      let least = loads.indices.min { (loads[$0], $0) < (loads[$1], $1) } ?? 0
      owners[index] = least
      loads[least] += counts[index] * dtypes[index].size
    }
    var buckets: [Bucket] = []
    for dtype in Set(dtypes).sorted(by: { "\($0)" < "\($1)" }) {
      var queues = (0..<processes).map { rank in
        counts.indices.filter { owners[$0] == rank && dtypes[$0] == dtype }[...]
      }
      while queues.contains(where: { !$0.isEmpty }) {
        let room = max(1, Self.elements / processes)
        let members = queues.indices.map { rank -> [Int] in
          var (taken, count) = ([Int](), 0)
          while let next = queues[rank].first, taken.isEmpty || count + counts[next] <= room {
            taken.append(queues[rank].removeFirst())
            count += counts[next]
          }
          return taken
        }
        let longest = members.map { $0.reduce(0) { $0 + counts[$1] } }.max() ?? 0
        let length = (longest + Self.alignment - 1) / Self.alignment * Self.alignment
        buckets.append(Bucket(members: members, dtype: dtype, length: length))
      }
    }
    (self.owners, self.buckets) = (owners, buckets)
  }

  /// Tensors of a part's weights end to end, filled up: [length]; what a weight lacks is zeros.
  func flat(_ bucket: Bucket, of rank: Int, _ weights: [Tensor], _ values: (Int) throws -> Tensor?) throws -> Tensor {
    let rows = try bucket.members[rank].map { member in
      try values(member)?.reshaped([-1]) ?? .zeros([weights[member].count], bucket.dtype)
    }
    let missing = bucket.length - rows.reduce(0) { $0 + $1.count }
    return try concatenate(rows + [.zeros([missing], bucket.dtype)])
  }

  /// The stretches of a part, [length], that belong to its weights, each in its weight's shape.
  func split(_ flat: Tensor, _ bucket: Bucket, of rank: Int, _ weights: [Tensor], _ body: (Int, Tensor) throws -> Void) throws {
    var start = 0
    for member in bucket.members[rank] {
      let weight = weights[member]
      try body(member, flat.narrow(0, from: start, length: weight.count).reshaped(weight.shape))
      start += weight.count
    }
  }
}
