import Foundation
import LLaVA
import TestSupport

/// The models that golden data were recorded with.
public enum GoldenModels {
  /// The model `official`, whose images have 16 visual tokens, in float32.
  public static func official() throws -> LLaVAModel {
    try LLaVAModel.load(from: Fixtures.url("model/official"), dtype: .float32)
  }

  /// The same with the tower `clip_wide`, whose images are larger.
  public static func wide() throws -> LLaVAModel {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "wide")
    try FileManager.default.copyItem(at: Fixtures.url("model/official"), to: folder)
    let file = folder.appending(path: "config.json")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
    var fields = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
    fields["mm_vision_tower"] = Fixtures.url("model/clip_wide").path
    try FileManager.default.removeItem(at: file)
    try JSONSerialization.data(withJSONObject: fields).write(to: file)
    return try LLaVAModel.load(from: folder, dtype: .float32)
  }
}
