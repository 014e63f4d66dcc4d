/// Shapes that appear, move, change their colour and leave, and a counter that counts: frame after frame without an end.
///
/// At each step of a shape's life one thing may happen to it. A shape that left comes back only when no clip can have both in it
/// (``longestClip``), so in a clip each shape is there once, and its name is enough to ask for it. Paths cross; two things are never in one cell.
public struct MovingWorld: Sendable, Sequence, IteratorProtocol {
  /// Most frames of a clip that questions can be asked about.
  public static let longestClip = 16
  /// Most shapes on show at once.
  private static let mostActors = 3

  private struct Life: Sendable {
    var actor: MovingFrame.Actor
    var age = 0
    /// Where it goes, and how many cells are left of its way.
    var way: (direction: MovingFrame.Direction, steps: Int)?
  }

  private var generator: SceneGenerator
  private let background: Scene.Background
  private var counter: MovingFrame.Counter?
  private var lives: [Life] = []
  /// When each shape was last on show.
  private var lastSeen: [ShapeKind: Int] = [:]
  private var time = 0

  /// A world of its own seed.
  public init(seed: UInt64, stream: UInt64) {
    var generator = SceneGenerator(seed: seed, stream: stream)
    let gray = generator.within(70...150)
    background = Scene.Background(
      rgb: (0..<3).map { _ in gray + generator.within(-12...12) }, horizontal: generator.within(-15...15),
      vertical: generator.within(-15...15), noiseSeed: 0)
    if generator.chance(70), let place = generator.pick(MovingFrame.Place.all) {
      counter = MovingFrame.Counter(place: place, digit: generator.below(10))
    }
    let first = generator.within(0...2)
    self.generator = generator
    for _ in 0..<first { appear() }
  }

  /// The next frame; there always is one.
  public mutating func next() -> MovingFrame? {
    if time > 0 {
      if let digit = counter?.digit, generator.chance(20) { counter?.digit = (digit + 1) % 10 }
      for index in lives.indices.reversed() { live(index) }
      if lives.count < Self.mostActors, generator.chance(35) { appear() }
    }
    for life in lives { lastSeen[life.actor.shape] = time }
    time += 1
    return MovingFrame(
      actors: lives.map(\.actor), counter: counter, background: background, noiseSeed: generator.next())
  }

  private func isFree(_ place: MovingFrame.Place) -> Bool {
    counter?.place != place && !lives.contains { $0.actor.place == place }
  }

  private mutating func appear() {
    let shapes = ShapeKind.allCases.filter { shape in
      !lives.contains { $0.actor.shape == shape } && lastSeen[shape].map { time - $0 >= Self.longestClip } ?? true
    }
    guard let shape = generator.pick(shapes), let place = generator.pick(MovingFrame.Place.all.filter(isFree)) else { return }
    let actor = MovingFrame.Actor(
      shape: shape, color: ShapeColor.allCases[generator.below(ShapeColor.allCases.count)], place: place,
      dx: generator.within(-1...1), dy: generator.within(-1...1), shade: (0..<3).map { _ in generator.within(-18...18) })
    lives.append(Life(actor: actor))
  }

  /// A step of a shape's life: it goes on its way; or it leaves, sets out, changes its colour or stays as it is.
  private mutating func live(_ index: Int) {
    lives[index].age += 1
    if let way = lives[index].way { return go(index, way.direction, way.steps) }
    let lot = generator.below(100)
    switch lot {
    case ..<6 where lives[index].age >= 4: lives.remove(at: index)
    case 10..<25: setOut(index)
    case 30..<35:
      let others = ShapeColor.allCases.filter { $0 != lives[index].actor.color }
      if let color = generator.pick(others) { lives[index].actor.color = color }
    default: break
    }
  }

  /// A way of two to four cells, in a direction in which there are as many.
  private mutating func setOut(_ index: Int) {
    let place = lives[index].actor.place
    func room(_ direction: MovingFrame.Direction) -> Int {
      sequence(first: place) { $0.moved(direction) }.reduce(-1) { count, _ in count + 1 }
    }
    guard let direction = generator.pick(MovingFrame.Direction.allCases.filter { room($0) >= 2 }) else { return }
    go(index, direction, generator.within(2...Swift.min(4, room(direction))))
  }

  /// One cell further; a way that is blocked ends.
  private mutating func go(_ index: Int, _ direction: MovingFrame.Direction, _ steps: Int) {
    guard let place = lives[index].actor.place.moved(direction), isFree(place) else {
      lives[index].way = nil
      return
    }
    lives[index].actor.place = place
    lives[index].way = steps > 1 ? (direction, steps - 1) : nil
  }
}
