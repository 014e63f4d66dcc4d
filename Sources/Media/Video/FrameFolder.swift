import Basics
import Foundation
import Imaging

/// A video that lies as pictures in a folder, named by their numbers (`00001.jpg`), so many for each second.
///
/// The first picture is on show from the beginning. Other files of the folder are ignored. Pictures of another size than the first are
/// brought to that.
public struct FrameFolder: FrameSource, Sendable {
  /// Columns of a frame.
  public let width: Int
  /// Rows of a frame.
  public let height: Int
  /// The number of pictures over how many a second has.
  public let seconds: Double
  /// When each picture comes on show, in seconds from the first.
  public let times: [Double]
  /// The folder.
  public let name: String

  private let files: [URL]
  private let limits: ImageLimits

  private static let endings: Set = ["jpg", "jpeg", "png", "webp"]

  /// Lists a folder, and reads its first picture for the size.
  ///
  /// - Parameter perSecond: pictures of a second, above 0.
  /// - Throws: ``VideoError``; `ImagingError` for a picture that cannot be read.
  public init(_ folder: URL, perSecond: Double, limits: ImageLimits = .standard) throws {
    name = folder.relativePath
    self.limits = limits
    if let fault = FrameSampling(fps: perSecond).fault { throw VideoError.sampling(reason: fault) }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    } catch {
      throw VideoError.unreadable(file: name, reason: systemReason(error))
    }
    let numbered = names.compactMap { name -> (number: Int, name: String)? in
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 2, Self.endings.contains(parts[1].lowercased()), let number = Int(parts[0]) else { return nil }
      return (number, name)
    }
    files = numbered.sorted { $0 < $1 }.map { folder.appending(path: $0.name) }
    guard let first = files.first else { throw VideoError.noFrames(file: name) }
    let picture = try RGBImage(contentsOf: first, limits: limits)
    (width, height) = (picture.width, picture.height)
    seconds = Double(files.count) / perSecond
    times = files.indices.map { Double($0) / perSecond }
  }

  /// The pictures on show at some times, each file read once.
  ///
  /// - Throws: `ImagingError`, naming the file.
  public func frames(at moments: [Double], _ receive: (VideoFrame) throws -> Void) throws {
    // Times are numbers of units that no double holds exactly.
    let slack = 1e-6
    var last: (place: Int, image: RGBImage)?
    for moment in moments {
      let place = times.lastIndex { $0 <= moment + slack } ?? 0
      if last?.place != place { last = (place, try picture(place)) }
      if let last { try receive(VideoFrame(time: moment, shownAt: times[place], image: last.image)) }
    }
  }

  private func picture(_ place: Int) throws -> RGBImage {
    let picture = try RGBImage(contentsOf: files[place], limits: limits)
    let isAlike = (picture.width, picture.height) == (width, height)
    return isAlike ? picture : picture.resized(width: width, height: height)
  }
}
