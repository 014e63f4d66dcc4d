import Foundation

/// Plans of compression that make no sense, or do not fit the model.
extension BadInput {
  static let compressions = [
    usage(["--keep", "17"], "--keep is 17", "0...16"), usage(["--keep=-1"], "--keep is -1"), usage(["--keep", "few"], "few"),
    usage(["--ratio", "1.5"], "--ratio is 1.5", "0...1"), usage(["--ratio=-0.1"], "--ratio"),
    usage(["--ratio", "nan"], "--ratio"),
    usage(["--keep", "4", "--ratio", "0.5"], "--keep", "--ratio"), usage(["--compressor", "dart"], "--keep", "--ratio"),
    usage(["--keep", "4", "--compressor", "sieve"], "--compressor", "sieve", "dart, divprune, downsample, dtd, evs, fastv"),
    usage(["--keep", "4", "--layer", "0"], "--layer is 0", "1...4"),
    usage(["--keep", "4", "--layer", "5"], "--layer is 5", "1...4"),
    usage(["--layer", "2"], "--keep"), usage(["--keep", "4", "--then-layer", "3"], "--then-keep"),
    usage(["--keep", "4", "--then-keep", "2"], "--then-layer"),
    usage(["--keep", "4", "--then-layer", "2", "--then-keep", "2"], "--then-layer", "2"),
    usage(["--keep", "4", "--then-layer", "5", "--then-keep", "2"], "--then-layer is 5"),
    usage(["--keep", "4", "--then-layer", "3", "--then-keep", "6"], "--then-keep", "6"),
    usage(["--ratio", "0.5", "--then-layer", "3", "--then-keep", "13"], "--then-keep", "13"),
    usage(["--keep", "4", "--then-layer", "3", "--then-keep=-1"], "--then-keep is -1"),
    usage(["--keep", "4", "--compressor", "pool", "--then-layer", "3", "--then-keep", "2"], "--then-layer", "pool"),
    usage(["--reduce", "dart:4"] + ["--keep", "4"], "--reduce", "--keep"),
    usage(["--reduce", "dart:17@2"], "--reduce", "keep is 17", "0...16"),
    usage(["--keep", "auto:4"], "budgets.json", "epic fit"), usage(["--keep", "auto:17"], "auto:17", "auto:16"),
    usage(["--keep", "auto:4", "--compressor", "visionzip"], "--compressor", "decoder"),
    usage(["--keep", "auto:4", "--then-layer", "3", "--then-keep", "2"], "--then-layer", "alone"),
    usage(["--reduce", "dart:4@9"], "--reduce", "layer is 9"),
    usage(["--reduce", "dart"], "--reduce", "compressor:amount"), usage(["--reduce", "sieve:4"], "sieve", "fastv"),
    usage(["--reduce", "dart:4:pivots=2@1"], "pivots", "image-pivots"),
    usage(["--overlay", "out.png"], "--overlay", "--image"),
    BadInput(
      name: "an overlay below no folder", code: 1, says: ["absent/o.png", "folder"],
      arguments: { generate($0) + ["--image", $0.path + "/house.png", "--overlay", $0.path + "/absent/o.png"] }),
    BadInput(
      name: "an overlay over a folder", code: 1, says: ["model", "is a folder"],
      arguments: { generate($0) + ["--image", $0.path + "/house.png", "--overlay", $0.path + "/model"] }),
    BadInput(
      name: "chat keeps too many", code: 2, says: ["--keep is 99"],
      arguments: { ["chat", "--model", $0.path + "/model", "--keep", "99"] }),
    BadInput(
      name: "bench keeps too many", code: 2, says: ["--keep is 577", "576"],
      arguments: { _ in ["bench", "generate", "--keep", "577"] }),
    BadInput(
      name: "profile keeps too many", code: 2, says: ["--keep is 600", "576"],
      arguments: { _ in ["profile", "--keep", "64,600"] }),
    BadInput(name: "profile keeps no number", code: 2, says: ["64,,2"], arguments: { _ in ["profile", "--keep", "64,,2"] }),
    BadInput(
      name: "profile of an unknown compressor", code: 2, says: ["sieve", "fastv"],
      arguments: { _ in ["profile", "--compressor", "dart,sieve"] }),
    BadInput(
      name: "profile beyond the layers", code: 2, says: ["--layer is 33", "1...32"],
      arguments: { _ in ["profile", "--layer", "33"] }),
    BadInput(
      name: "profile without text", code: 2, says: ["--text-tokens is 0"], arguments: { _ in ["profile", "--text-tokens", "0"] }),
    BadInput(
      name: "profile of no folder", code: 1, says: ["/absent"], arguments: { ["profile", "--model", $0.path + "/absent"] }),
  ]
}
