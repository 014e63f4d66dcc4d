import Foundation
import TestSupport
import Testing

@testable import Imaging

@Suite struct PreprocessingTests {
  @Test func resamplingEqualsPillow() throws {
    let golden = try Golden(Folder.resources.appendingPathComponent("expected.safetensors"))
    for key in golden.entries.keys.sorted() where key.hasPrefix("resized/") {
      let canvas = Canvas(try golden.image(key.contains("/tall/") ? "noise/tall" : "noise/wide"))
      let filter: ResamplingFilter = key.contains("bilinear") ? .bilinear : .bicubic
      let expected = try golden.image(key)
      let (width, height) = (expected.width, expected.height)
      let resized = canvas.resampled(width: width, height: height, columns: 0..<width, rows: 0..<height, filter: filter)
      let worst = difference(resized, expected)
      #expect(worst == 0, "\(key): off by \(worst.map(String.init) ?? "size")")
    }
  }

  @Test func aWindowEqualsTheSamePartOfTheWhole() throws {
    let canvas = Canvas(try noise(width: 23, height: 17, seed: 3))
    let whole = canvas.resampled(width: 40, height: 9, columns: 0..<40, rows: 0..<9, filter: .bicubic)
    let part = canvas.resampled(width: 40, height: 9, columns: 11..<30, rows: 2..<8, filter: .bicubic)
    for y in 0..<6 {
      for x in 0..<19 {
        let (a, b) = (3 * (y * 19 + x), 3 * ((y + 2) * 40 + x + 11))
        #expect(part.pixels[a..<(a + 3)] == whole.pixels[b..<(b + 3)])
      }
    }
  }

  @Test func resamplingToTheSameSizeChangesNothing() throws {
    let image = try noise(width: 19, height: 8, seed: 4)
    for filter in [ResamplingFilter.bilinear, .bicubic] {
      #expect(Canvas(image).resampled(width: 19, height: 8, columns: 0..<19, rows: 0..<8, filter: filter) == image)
    }
  }

  @Test func weightsOfEveryOutputSumToOne() {
    for (from, to) in [(1, 1), (1, 50), (50, 1), (640, 336), (336, 640), (7, 5), (65_535, 14)] {
      let weights = ResamplingWeights(from: from, to: to, outputs: 0..<to, filter: .bicubic)
      for i in 0..<to {
        #expect(weights.starts[i] >= 0 && weights.starts[i] + weights.counts[i] <= from)
        #expect(weights.counts[i] <= weights.capacity)
        let row = weights.weights[(i * weights.capacity)..<(i * weights.capacity + weights.counts[i])]
        let sum = row.reduce(0) { $0 + Int($1) }
        // Each weight is rounded by at most a half.
        #expect(abs(sum - 1 << 22) <= (row.count + 1) / 2, "\(from) to \(to), output \(i)")
      }
    }
  }

  @Test func resizingAVirtualCanvasEqualsResizingThePaddedPicture() throws {
    for (i, (width, height)) in [(31, 4), (4, 31), (20, 20), (1, 60), (33, 32)].enumerated() {
      let image = try noise(width: width, height: height, seed: UInt64(i))
      for size in [3, 24, 50] {
        let padding = ImagePreprocessor(imageSize: size)
        let padded = image.paddedToSquare(with: padding.padColor)
        let direct = try padding.resizedPixels(image)
        #expect(try direct == ImagePreprocessor(imageSize: size, aspect: .square).resizedPixels(padded))
      }
    }
  }

  @Test func paddingKeepsThePictureInTheMiddle() throws {
    for (width, height) in [(5, 2), (2, 5), (4, 4), (1, 2), (7, 6)] {
      let image = try noise(width: width, height: height, seed: 9)
      let padded = image.paddedToSquare(with: (1, 2, 3))
      let side = max(width, height)
      let (left, top) = ((side - width) / 2, (side - height) / 2)
      #expect(padded.width == side && padded.height == side)
      for y in 0..<side {
        for x in 0..<side {
          let inside = x >= left && x < left + width && y >= top && y < top + height
          let at = 3 * ((y - top) * width + x - left)
          let expected = inside ? Array(image.pixels[at..<(at + 3)]) : [1, 2, 3]
          #expect(Array(padded.pixels[(3 * (y * side + x))..<(3 * (y * side + x) + 3)]) == expected)
        }
      }
    }
  }

  @Test func aUniformPictureStaysUniform() throws {
    let color: [UInt8] = [200, 0, 255]
    let image = try RGBImage(width: 90, height: 40, pixels: (0..<3_600).flatMap { _ in color })
    let preprocessor = ImagePreprocessor(imageSize: 14, aspect: .square)
    #expect(try preprocessor.resizedPixels(image).pixels == (0..<196).flatMap { _ in color })
    let values = try preprocessor.normalizedPixels(image)
    for channel in 0..<3 {
      let exact = (Double(color[channel]) / 255 - preprocessor.mean[channel]) / preprocessor.std[channel]
      for value in values[(channel * 196)..<((channel + 1) * 196)] { #expect(abs(Double(value) - exact) < 1e-6) }
    }
  }

  @Test func extremeAspectRatiosCostLittle() throws {
    let image = try RGBImage(width: 65_535, height: 1, pixels: [UInt8](repeating: 90, count: 3 * 65_535))
    // Padded to a square this would take 12 GB, resized before cropping 60 MB per row.
    for aspect in ImageAspect.allCases {
      let resized = try ImagePreprocessor(imageSize: 8, aspect: aspect).resizedPixels(image)
      #expect(resized.width == 8 && resized.height == 8)
      if aspect == .square { #expect(resized.pixels.allSatisfy { $0 == 90 }) }
    }
  }

  @Test func padColorIsTheMeanRoundedDown() {
    #expect(ImagePreprocessor(imageSize: 1).padColor == (122, 116, 104))
    #expect(ImagePreprocessor(imageSize: 1, mean: [0, 0.999, 2]).padColor == (0, 254, 255))
    #expect(ImagePreprocessor(imageSize: 1, mean: [.nan]).padColor == (0, 0, 0))
  }

  @Test func configurationsOldAndNewAreRead() throws {
    let cases: [(json: String, size: Int, resize: ImagePreprocessor.Resize)] = [
      (#"{"size": 224, "crop_size": 224}"#, 224, .shortestEdge(224)),
      (#"{"size": {"shortest_edge": 80}, "crop_size": {"height": 56, "width": 56}}"#, 56, .shortestEdge(80)),
      (#"{"size": {"height": 384, "width": 384}, "do_center_crop": false}"#, 384, .square(384)),
      (#"{"size": {"shortest_edge": 336}}"#, 336, .shortestEdge(336)),
      (#"{"crop_size": 336}"#, 336, .shortestEdge(336)),
      (#"{"size": null, "do_pad": true}"#, 224, .shortestEdge(224)),
      (#"{"image_processor": {"size": {"shortest_edge": 28}, "crop_size": 28}, "processor_class": "x"}"#, 28, .shortestEdge(28)),
    ]
    for (json, size, resize) in cases {
      let preprocessor = try ImagePreprocessor(configuration: Data(json.utf8), name: "test", aspect: .pad)
      #expect(preprocessor.imageSize == size, "\(json)")
      #expect(preprocessor.resize == resize, "\(json)")
      #expect(preprocessor.mean == ImagePreprocessor.clipMean)
    }
  }

  @Test func theFileThatTransformersTakesIsFound() throws {
    let scratch = try Scratch()
    func write(_ name: String, _ json: String) throws { try Data(json.utf8).write(to: scratch.url.appending(path: name)) }
    #expect(try ImagePreprocessor.settings(in: scratch.url) == nil)
    try write("processor_config.json", #"{"processor_class": "LlavaProcessor", "patch_size": 14}"#)
    #expect(try ImagePreprocessor.settings(in: scratch.url) == nil)
    try write("preprocessor_config.json", #"{"size": 9}"#)
    #expect(try ImagePreprocessor.settings(in: scratch.url)?.lastPathComponent == "preprocessor_config.json")
    try write("processor_config.json", #"{"image_processor": {"size": 8, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}}"#)
    let found = try #require(try ImagePreprocessor.settings(in: scratch.url))
    let preprocessor = try ImagePreprocessor(contentsOf: found, aspect: .pad)
    #expect(preprocessor.imageSize == 8 && preprocessor.mean == [0, 0, 0] && preprocessor.std == [1, 1, 1])
    try write("processor_config.json", "[]")
    #expect(throws: ImagingError.self) { try ImagePreprocessor.settings(in: scratch.url) }
  }

  /// Random settings: a picture of numbers, or one sentence.
  @Test func numbersOfSettings() throws {
    let seed: UInt64 = 21
    print("numbers of image processors: seed \(seed)")
    var random = SplitMix(seed: seed)
    let numbers = [
      "0", "1", "2", "3", "8", "20", "8192", "8193", "-1", "1e300", "1e-300", "4611686018427387904", "0.5", "1e19", "null",
    ]
    let image = try noise(width: 5, height: 3, seed: 8)
    var made = 0
    for _ in 0..<400 {
      func number() -> String { numbers[Int(random.next() % UInt64(random.next() % 3 == 0 ? numbers.count : 6))] }
      func three() -> String { "[\(number()), \(number()), \(number())]" }
      let sizes = [number(), #"{"shortest_edge": \#(number())}"#, #"{"height": \#(number()), "width": \#(number())}"#]
      let json = #"""
        {"size": \#(sizes[Int(random.next() % 3)]), "crop_size": \#(number()), "do_center_crop": \#(random.next() % 2 == 0),
         "resample": \#(number()), "rescale_factor": \#(number()), "image_mean": \#(three()), "image_std": \#(three())}
        """#
      do {
        let preprocessor = try ImagePreprocessor(
          configuration: Data(json.utf8), name: "x.json", aspect: random.next() % 2 == 0 ? .pad : .square)
        if preprocessor.imageSize > 64 { continue }
        #expect(try preprocessor.normalizedPixels(image).count == 3 * preprocessor.imageSize * preprocessor.imageSize)
        made += 1
      } catch let error as ImagingError {
        #expect(error.description.hasPrefix("x.json: "))
      }
    }
    #expect(made > 5)
  }

  @Test func stepsCanBeSwitchedOff() throws {
    let image = try noise(width: 6, height: 6, seed: 5)
    func values(_ json: String) throws -> [Float] {
      try ImagePreprocessor(configuration: Data(json.utf8), name: "test", aspect: .square).normalizedPixels(image)
    }
    let levels = image.planes.map(Float.init)
    #expect(try values(#"{"size": 6, "do_rescale": false, "do_normalize": false}"#) == levels)
    #expect(try values(#"{"size": 6, "rescale_factor": 0.5, "do_normalize": false}"#) == levels.map { $0 / 2 })
    #expect(
      try values(#"{"size": 6, "do_rescale": false, "image_mean": [1, 1, 1], "image_std": [2, 2, 2]}"#)
        == levels.map { ($0 - 1) / 2 })
  }

  @Test(arguments: [
    ("", "the content"),
    ("[1, 2]", "the content"),
    (#"{"size": "large"}"#, "size"),
    (#"{"size": {"longest_edge": 30}}"#, "size.height"),
    (#"{"size": {"height": 30, "width": 31}}"#, "size"),
    (#"{"size": 30, "crop_size": {"height": 30, "width": 31}}"#, "crop_size"),
    (#"{"size": 0}"#, "size"),
    (#"{"size": -5}"#, "size"),
    (#"{"size": 99999999999}"#, "size"),
    (#"{"size": 1e300}"#, "size"),
    (#"{"size": 20, "crop_size": 21}"#, "size"),
    (#"{"size": 20, "do_resize": false}"#, "do_resize"),
    (#"{"size": 20, "resample": 1}"#, "resample"),
    (#"{"size": 20, "image_mean": [0.5]}"#, "image_mean"),
    (#"{"size": 20, "image_mean": [0.5, "x", 0]}"#, "image_mean.1"),
    (#"{"size": 20, "image_std": [1, 0, 1]}"#, "image_std"),
    (#"{"size": 20, "image_std": [1, 1e-300, 1]}"#, "image_std"),
    (#"{"size": 20, "image_mean": [0, 1e300, 0]}"#, "image_mean"),
    (#"{"size": 20, "rescale_factor": 1e300}"#, "rescale_factor"),
    (#"{"size": 9223372036854775807}"#, "size"),
    (#"{"size": 20, "do_normalize": 3}"#, "do_normalize"),
  ])
  func badConfigurationsNameFileAndField(json: String, field: String) throws {
    let error = try #require(throws: ImagingError.self) {
      try ImagePreprocessor(configuration: Data(json.utf8), name: "folder/config.json", aspect: .pad)
    }
    #expect(error.description.hasPrefix("folder/config.json: "), "\(error)")
    #expect(error.description.contains(field), "\(error)")
    #expect(!error.description.contains("\n"))
  }

  @Test func unequalSizesAreRefusedUnlessPadded() throws {
    let json = Data(#"{"size": 20, "do_center_crop": false}"#.utf8)
    #expect(try ImagePreprocessor(configuration: json, name: "test", aspect: .pad).imageSize == 20)
    #expect(throws: ImagingError.self) { try ImagePreprocessor(configuration: json, name: "test", aspect: .square) }
  }

  @Test(arguments: [
    ImagePreprocessor(imageSize: 0), ImagePreprocessor(imageSize: .min), ImagePreprocessor(imageSize: .max),
    ImagePreprocessor(imageSize: 8, mean: []), ImagePreprocessor(imageSize: 8, std: [1, .nan, 1]),
    ImagePreprocessor(imageSize: 8).magnified(by: .max), ImagePreprocessor(imageSize: 8).magnified(by: -3),
    ImagePreprocessor(imageSize: 8).magnified(by: 0),
  ])
  func settingsThatCannotWorkThrow(preprocessor: ImagePreprocessor) throws {
    let image = try noise(width: 2, height: 2, seed: 6)
    #expect(throws: ImagingError.self) { try preprocessor.normalizedPixels(image) }
  }
}
