import Foundation

/// The checkpoints that the program carries with it.
public enum DemoCheckpoints {
  /// The folder of all of them: `start`, from which training goes on, and `finished`, trained to its end without compression.
  ///
  /// - Throws: `DemoError.missing` where the program's resources do not lie beside it.
  public static func folder() throws -> URL {
    let name = "Checkpoints"
    // `Bundle.module` would end the program where the resources are gone.
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    let places = [program, Bundle.main.bundleURL].map { $0.appending(path: "epic_Demo.resources/\(name)") }
    for place in places where FileManager.default.fileExists(atPath: place.appending(path: "start/config.json").path) {
      return place
    }
    throw DemoError.missing(place: places[0].path)
  }
}

/// Why the demonstration cannot begin or go on.
public enum DemoError: Error, Equatable, CustomStringConvertible {
  /// The program's own checkpoints are not there.
  case missing(place: String)
  /// The folder was begun with other options.
  case otherOptions(folder: String, found: String)
  /// The folder holds something else.
  case foreign(folder: String)
  /// Another process works in the folder.
  case inUse(folder: String)
  /// A step failed.
  case failed(command: String, code: Int32?)
  /// A file cannot be read or written.
  case unusable(path: String, reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .missing(let place):
      "\(place): no checkpoints there; build again (make build), make them with --from-scratch, or name some with --start and --finished"
    case .otherOptions(let folder, let found):
      "\(folder): was begun with \(found); give the same options to go on, or choose another --output"
    case .foreign(let folder): "\(folder): is there and is no folder of epic demo; choose another --output"
    case .inUse(let folder): "\(folder): another epic demo is at work in it; wait for it, or choose another --output"
    case .failed(let command, let code):
      "\(command): ended \(code.map { "with exit code \($0)" } ?? "by a signal"); see above, then give the same command to go on"
    case .unusable(let path, let reason): "\(path): \(reason); check the folder and its permissions"
    }
  }
}
