import Foundation

extension ImagePreprocessor {
  /// The file of a checkpoint folder that transformers takes the image processor's settings from; nil where the folder has none.
  ///
  /// 1. `processor_config.json` where it has a section `image_processor`: all that transformers 5 writes.
  /// 2. Else `preprocessor_config.json`.
  /// - Throws: ``ImagingError``, naming the file.
  public static func settings(in folder: URL) throws -> URL? {
    func exists(_ url: URL) -> Bool { FileManager.default.fileExists(atPath: url.path) }
    let processor = folder.appendingPathComponent("processor_config.json")
    if exists(processor),
      try decode(ProcessorFile.self, Data(readRegularFile(processor, limit: 1 << 20)), processor.relativePath)
        .imageProcessor != nil
    {
      return processor
    }
    let preprocessor = folder.appendingPathComponent("preprocessor_config.json")
    return exists(preprocessor) ? preprocessor : nil
  }

  /// Reads a Hugging Face `preprocessor_config.json`, or the image part of a `processor_config.json`.
  ///
  /// Sizes may be numbers or objects (`shortest_edge`, or equal `height` and `width`). Fields that are absent have CLIP's
  /// values. Steps that would leave pictures of unequal sizes are refused, as a vision tower takes one size only.
  ///
  /// - Parameters:
  ///   - url: The JSON file.
  ///   - aspect: How a picture that is not square becomes one; the model's configuration knows it, this file does not.
  ///   - tiling: The model's, whose canvases are the standard of this file's; nil for a model without.
  ///   - resolution: The model's, where pictures keep their resolution.
  /// - Throws: ``ImagingError``, naming the file and the field.
  public init(contentsOf url: URL, aspect: ImageAspect, tiling: PictureTiling? = nil, resolution: NativeResolution? = nil) throws
  {
    let name = url.relativePath
    let bytes = try readRegularFile(url, limit: 1 << 20)
    try self.init(configuration: Data(bytes), name: name, aspect: aspect, tiling: tiling, resolution: resolution)
  }

  init(
    configuration data: Data, name: String, aspect: ImageAspect, tiling: PictureTiling? = nil, resolution: NativeResolution? = nil
  ) throws {
    let fields =
      try Self.decode(ProcessorFile.self, data, name).imageProcessor ?? Self.decode(PreprocessorFields.self, data, name)
    func refuse(_ field: String, _ reason: String) -> ImagingError {
      .configuration(file: name, field: field, reason: reason)
    }
    if fields.doResize == false {
      throw refuse("do_resize", "is false, but the vision tower takes one size only; set it to true")
    }
    let resize =
      try resolution.map { .square($0.multiple) } ?? fields.size.map { try $0.resize(refuse) }
      ?? .shortestEdge(fields.cropSize?.side ?? 224)
    let imageSize: Int
    if let resolution {
      imageSize = resolution.multiple
      // LLaVA-OneVision's processor, the one whose pictures have tiles only where they are alone, crops where it is told to.
    } else if fields.doCenterCrop ?? (tiling?.onlyAlone != true) {
      guard let side = (fields.cropSize ?? fields.size ?? .edge(224)).side else {
        throw refuse("crop_size", "is not square; give equal height and width")
      }
      imageSize = side
    } else if case .square(let side) = resize {
      imageSize = side
    } else if case .shortestEdge(let side) = resize, aspect == .pad {
      imageSize = side
    } else {
      throw refuse("do_center_crop", "is false, which leaves images of unequal sizes; set it or pad images to squares")
    }
    let filter: ResamplingFilter
    switch fields.resample ?? 3 {
    case 2: filter = .bilinear
    case 3: filter = .bicubic
    case let other: throw refuse("resample", "is \(other); 2 (bilinear) and 3 (bicubic) are supported")
    }
    let normalizes = fields.doNormalize ?? true
    if let tiling, let pairs = fields.imageGridPinpoints {
      let canvases = try pairs.map { pair in
        guard pair.count == 2 else { throw refuse("image_grid_pinpoints", "has \(pair); give pairs of height and width") }
        return PictureTiling.Size(height: pair[0], width: pair[1])
      }
      if canvases != tiling.canvases {
        throw refuse("image_grid_pinpoints", "differs from that of the model's config.json; give both the same sizes")
      }
    }
    self.init(
      imageSize: imageSize, aspect: aspect,
      mean: fields.imageMean ?? Self.clipMean, std: fields.imageStd ?? Self.clipStd,
      rescaleFactor: fields.doRescale ?? true ? fields.rescaleFactor ?? 1 / 255 : 1,
      normalizes: normalizes, resize: resize, filter: filter, tiling: tiling, resolution: resolution, name: name)
    try validate()
  }

  private static func decode<Fields: Decodable>(_ type: Fields.Type, _ data: Data, _ name: String) throws -> Fields {
    do {
      return try JSONDecoder().decode(type, from: data)
    } catch let error as DecodingError {
      let (field, reason) = error.fieldAndReason
      throw ImagingError.configuration(file: name, field: field, reason: reason)
    }
  }
}

/// A `processor_config.json`, which wraps the fields.
private struct ProcessorFile: Decodable {
  let imageProcessor: PreprocessorFields?

  enum CodingKeys: String, CodingKey {
    case imageProcessor = "image_processor"
  }
}

private struct PreprocessorFields: Decodable {
  let size: Extent?
  let cropSize: Extent?
  let doResize: Bool?
  let doCenterCrop: Bool?
  let doRescale: Bool?
  let doNormalize: Bool?
  let resample: Int?
  let rescaleFactor: Double?
  let imageMean: [Double]?
  let imageStd: [Double]?
  let imageGridPinpoints: [[Int]]?

  enum CodingKeys: String, CodingKey {
    case size, resample
    case cropSize = "crop_size"
    case doResize = "do_resize"
    case doCenterCrop = "do_center_crop"
    case doRescale = "do_rescale"
    case doNormalize = "do_normalize"
    case rescaleFactor = "rescale_factor"
    case imageMean = "image_mean"
    case imageStd = "image_std"
    case imageGridPinpoints = "image_grid_pinpoints"
  }
}

/// A size as written over the years: a number, the shortest edge, or height and width.
private enum Extent: Decodable {
  case edge(Int)
  case exact(height: Int, width: Int)
  /// Bounds of the area, under their old names.
  case area

  enum CodingKeys: String, CodingKey {
    case height, width
    case shortestEdge = "shortest_edge"
    case minimumPixels = "min_pixels"
  }

  init(from decoder: any Decoder) throws {
    if let side = try? decoder.singleValueContainer().decode(Int.self) {
      self = .edge(side)
      return
    }
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    if let side = try fields.decodeIfPresent(Int.self, forKey: .shortestEdge) {
      self = .edge(side)
    } else if fields.contains(.minimumPixels) {
      self = .area
    } else {
      self = .exact(
        height: try fields.decode(Int.self, forKey: .height), width: try fields.decode(Int.self, forKey: .width))
    }
  }

  /// The length of both sides, where they are equal.
  var side: Int? {
    switch self {
    case .edge(let side): side
    case .exact(let height, let width): height == width ? height : nil
    case .area: nil
    }
  }

  func resize(_ refuse: (_ field: String, _ reason: String) -> ImagingError) throws -> ImagePreprocessor.Resize {
    switch self {
    case .edge(let side): return .shortestEdge(side)
    case .exact, .area:
      guard let side else { throw refuse("size", "is not square; give equal height and width") }
      return .square(side)
    }
  }
}

extension DecodingError {
  /// The path of the field that does not fit, and the end of a sentence about it.
  fileprivate var fieldAndReason: (field: String, reason: String) {
    func path(_ context: Context, _ last: (any CodingKey)? = nil) -> String {
      let keys = (context.codingPath + (last.map { [$0] } ?? [])).map { $0.intValue.map(String.init) ?? $0.stringValue }
      return keys.isEmpty ? "the content" : keys.joined(separator: ".")
    }
    switch self {
    case .typeMismatch(let type, let context): return (path(context), "is not of the type \(type); correct the file")
    case .valueNotFound(_, let context): return (path(context), "is null; give a value or remove it")
    case .keyNotFound(let key, let context): return (path(context, key), "is missing; add it")
    case .dataCorrupted(let context):
      return (path(context), context.codingPath.isEmpty ? "is not JSON; correct the file" : "is out of range; correct the file")
    @unknown default: return ("the content", "is not understood; correct the file")
    }
  }
}
