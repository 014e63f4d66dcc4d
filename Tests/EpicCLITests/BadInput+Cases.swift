import Foundation
import TestModels
import Torch

extension BadInput {
  static let all =
    folders + configurations + checkpoints + tokenizers + pictures + prompts + flags + compressions + curricula + datasets
    + destinations + evaluations + demonstrations + laboratories

  private static func pngHeader(_ width: UInt32, _ height: UInt32) -> Data {
    var chunk = Data("IHDR".utf8)
    for value in [width, height] { withUnsafeBytes(of: value.bigEndian) { chunk.append(contentsOf: $0) } }
    chunk.append(contentsOf: [8, 2, 0, 0, 0])
    var crc: UInt32 = ~0
    for byte in chunk {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    let checksum = (~crc).bigEndian
    return Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]) + chunk
      + withUnsafeBytes(of: checksum) { Data($0) }
  }

  private static let pictures: [BadInput] = [
    picture("absent.png", nil), picture("empty.jpg", Data()), picture("text.png", Data("a cat".utf8)),
    picture("nothing.png", pngHeader(0, 0)), picture("bomb.png", pngHeader(60_000, 60_000), "60000"),
    picture("cut.jpg", Data([0xff, 0xd8, 0xff, 0xe0, 0, 16])), picture("bitmap.bmp", Data("BM".utf8) + Data(count: 60), "BMP"),
    picture("house.png", nil, "pixels", flags: ["--max-pixels", "100"]),
    BadInput(
      name: "a folder for a picture", code: 1, says: ["model"], arguments: { generate($0) + ["--image", $0.path + "/model"] }),
    BadInput(
      name: "a truncated picture", code: 1, says: ["half.png"], arguments: { generate($0) + ["--image", $0.path + "/half.png"] },
      change: {
        let whole = try Data(contentsOf: $0.appending(path: "house.png"))
        try whole.prefix(whole.count / 2).write(to: $0.appending(path: "half.png"))
      }),
  ]

  private static let prompts: [BadInput] = [
    BadInput(
      name: "longer than the context", code: 1, says: ["context of 4096"],
      arguments: { ["generate", "--model", $0.path + "/model", "--prompt", String(repeating: "word ", count: 1000)] }),
    BadInput(
      name: "more tags than pictures", code: 1, says: ["2 <image>", "1 image"],
      arguments: {
        ["generate", "--model", $0.path + "/model", "--prompt", "<image> <image>", "--image", $0.path + "/house.png"]
      }),
    BadInput(
      name: "a tag without a picture", code: 1, says: ["1 <image>", "0 images"],
      arguments: { ["generate", "--model", $0.path + "/absent", "--prompt", "<image>"] }),
    BadInput(
      name: "input that is not UTF-8", code: 1, says: ["standard input", "UTF-8"],
      arguments: { ["generate", "--model", $0.path + "/model", "--prompt", "-"] }, input: Data([0x68, 0xff, 0xfe])),
    BadInput(
      name: "empty input", code: 1, says: ["prompt is empty"],
      arguments: { ["generate", "--model", $0.path + "/model", "--prompt", "-"] }),
    BadInput(
      name: "an empty prompt", code: 2, says: ["prompt is empty"],
      arguments: { ["generate", "--model", $0.path + "/model", "--prompt", ""] }),
  ]

  private static let flags: [BadInput] = [
    BadInput(name: "unknown command", code: 2, says: ["paint"], arguments: { _ in ["paint"] }),
    BadInput(
      name: "unknown command with options", code: 2, says: ["no command answer", "generate"],
      arguments: { ["answer", "--model", $0.path + "/model"] }),
    BadInput(
      name: "convert without a destination", code: 2, says: ["<to-dir>"], arguments: { ["convert", $0.path + "/model"] }),
    BadInput(
      name: "a key that --set misspells", code: 1, says: ["--set: model.nme"],
      arguments: { ["train", "--config", $0.path + "/run.yaml", "--set", "model.nme=1"] },
      change: { try Data("model: model\n".utf8).write(to: $0.appending(path: "run.yaml")) }),
    BadInput(name: "no prompt", code: 2, says: ["--prompt"], arguments: { ["generate", "--model", $0.path + "/model"] }),
    BadInput(name: "no model", code: 2, says: ["--model"], arguments: { _ in ["generate", "--prompt", "hi"] }),
    BadInput(name: "no checkpoint", code: 2, says: ["<model>"], arguments: { _ in ["inspect"] }),
    usage(["--wings"], "--wings"), usage(["--dtype", "int64"], "int64", "'f32', 'bf16' or 'f16'"),
    usage(["--temperature", "-1"], "temperature is -1"), usage(["--device", "tpu"], "tpu"),
    usage(["--device", "cuda:99"], "cuda:99"), usage(["--template", "alpaca"], "alpaca", "vicuna_v1"),
    usage(["--temperature", "warm"], "warm"), usage(["--temperature=-1"], "temperature"),
    usage(["--temperature", "nan"], "temperature"),
    usage(["--top-p", "0"], "top-p"), usage(["--top-p", "1.5"], "top-p"), usage(["--top-k=-3"], "top-k"),
    usage(["--repetition-penalty", "0"], "repetition-penalty"), usage(["--max-tokens", "0"], "max-tokens"),
    usage(["--max-tokens", "99999999999999999999"], "max-tokens"), usage(["--seed=-1"], "seed"),
    usage(["--threads", "0"], "threads"), usage(["--bits", "5"], "5 bits, expected 4 or 8"),
    usage(["--kv-cache-bits", "4"], "expected 8"),
    usage(["--exif", "turn"], "turn"), usage(["--max-pixels", "0"], "max-pixels"), usage(["--stop"], "--stop"),
    BadInput(
      name: "unknown preset", code: 2, says: ["huge", "base"], arguments: { _ in ["bench", "generate", "--preset", "huge"] }),
    BadInput(
      name: "no tokens to time", code: 2, says: ["new-tokens"], arguments: { _ in ["bench", "generate", "--new-tokens", "0"] }),
    BadInput(
      name: "unknown layout", code: 2, says: ["onnx"],
      arguments: { ["convert", $0.path + "/model", $0.path + "/out", "--layout", "onnx"] }),
    BadInput(
      name: "weights in three bits", code: 2, says: ["--bits is 3", "4, 8 or 16"],
      arguments: { ["convert", $0.path + "/model", $0.path + "/out", "--bits", "3"] }),
    BadInput(
      name: "a share without another model", code: 2, says: ["--interpolate and --weight belong together"],
      arguments: { ["convert", $0.path + "/model", $0.path + "/out", "--weight", "0.5"] }),
    BadInput(
      name: "more than all of a model", code: 2, says: ["--weight is 1.5, expected 0...1"],
      arguments: {
        ["convert", $0.path + "/model", $0.path + "/out", "--interpolate", $0.path + "/model", "--weight", "1.5"]
      }),
    BadInput(
      name: "training in few bits", code: 2, says: ["--bits"],
      arguments: { _ in ["bench", "train", "--preset", "tiny", "--bits", "4"] }),
    BadInput(
      name: "shards of no bytes", code: 2, says: ["shard-bytes"],
      arguments: { ["convert", $0.path + "/model", $0.path + "/out", "--shard-bytes", "0"] }),
  ]

  private static let curricula: [BadInput] = [
    curriculum(["--curriculum", "tokens"], "--curriculum", "tokens", "integrated"),
    curriculum(["--preset", "paper"], "--preset", "epic-code"),
    curriculum(["--curriculum", "layer", "--preset", "epic-code"], "epic-code", "layer", "token and fixed"),
    curriculum(["--steps", "0"], "--steps is 0"), curriculum(["--steps", "many"], "many"),
    curriculum(["--layer", "0", "--layers", "4"], "--layer is 0", "1...4"), curriculum(["--layer", "33"], "--layer is 33"),
    curriculum(["--student-max", "1.5"], "--student-max is 1.5"), curriculum(["--student-max", "0:1:2:3"], "0:1:2:3"),
    curriculum(["--student-min", "0.9:0"], "--student-min is 0.9:0.0", "above student-max"),
    curriculum(["--gap", "nan", "--hold", "1"], "--gap is nan", "--hold is 1.0"),
    curriculum(["--stages", "3"], "--stages", "token"),
    curriculum(["--curriculum", "integrated", "--stages", "0"], "--stages is 0"),
    curriculum(["--curriculum", "layer", "--rounding", "up"], "half-even"),
    curriculum(["--curriculum", "fixed", "--student-max", "0.5:0.9"], "--student-max is 0.5:0.9", "one ratio"),
    curriculum(["--theory", "--gap", "0.1"], "--gap", "--theory"), curriculum(["--theory", "--preset", "epic-code"], "--preset"),
    curriculum(["--theory", "--steps", "1000000"], "--steps is 1000000"),
    BadInput(
      name: "a picture in no folder", code: 1, says: ["absent/a.svg"],
      arguments: { ["curriculum", "--svg", $0.path + "/absent/a.svg"] }),
  ]

  private static func dataCheck(_ name: String, _ content: String?, _ says: String..., flags: [String] = [], code: Int32 = 1)
    -> BadInput
  {
    BadInput(
      name: "data: \(name)", code: code, says: says, arguments: { ["data", "check", "--file", $0.path + "/data.json"] + flags },
      change: { if let content { try Data(content.utf8).write(to: $0.appending(path: "data.json")) } })
  }

  private static let datasets = [
    dataCheck("no file", nil, "data.json", "No such file"), dataCheck("empty", "", "data.json", "no records"),
    dataCheck("no JSON", "hello", "data.json", "JSON"), dataCheck("an object", "{\"a\": 1", "data.json"),
    dataCheck("an object over lines", "{\n\"data\": []\n}", "data.json", "not valid JSON"),
    dataCheck("an open list", "[{\"id\": 1}", "data.json", "does not end"),
    dataCheck("a list and more", "[{}] {}", "data.json", "after the end"),
    dataCheck("an empty list", "[]", "data.json", "no records"),
    BadInput(name: "data: a folder", code: 1, says: ["folder"], arguments: { ["data", "check", "--file", $0.path + "/model"] }),
    dataCheck("no image folder", "[{}]", "absent", flags: ["--images", "/absent"]),
    dataCheck("no model", "[{}]", "/absent", flags: ["--model", "/absent"]),
    dataCheck("no tokenizer", "[{}]", "/absent", flags: ["--tokenizer", "/absent"]),
    dataCheck("two tokenizers", "[{}]", "exclude each other", flags: ["--model", "a", "--tokenizer", "b"], code: 2),
    dataCheck("an unknown template", "[{}]", "alpaca", "vicuna_v1", flags: ["--template", "alpaca"], code: 2),
    dataCheck("no length", "[{}]", "--max-length is 1", flags: ["--max-length", "1"], code: 2),
    dataCheck("no workers", "[{}]", "--workers is 0", flags: ["--workers", "0"], code: 2),
    dataCheck("no visual tokens", "[{}]", "--visual-tokens is 0", flags: ["--visual-tokens", "0"], code: 2),
  ]

  private static let destinations: [BadInput] = [
    BadInput(
      name: "a destination that exists", code: 1, says: ["exists"],
      arguments: { ["convert", $0.path + "/model", $0.path + "/model"] }),
    BadInput(
      name: "a destination below a file", code: 1, says: ["house.png"],
      arguments: { ["convert", $0.path + "/model", $0.path + "/house.png/out"] }),
    BadInput(
      name: "init where something is", code: 1, says: ["exists"], arguments: { ["init", "--output", $0.path + "/model"] }),
    BadInput(
      name: "a conversion that fails half way", code: 1, says: ["NaN"],
      arguments: { ["convert", $0.path + "/model", $0.path + "/new/deep/out", "--shard-bytes", "10000"] },
      change: { folder in
        try weights("NaN") { try $0["language_model.model.norm.weight"]?.multiplyInPlace(by: .nan) }.change?(folder)
      }),
  ]

  /// `eval` of the checkpoint on an empty data folder.
  private static func eval(_ more: [String], code: Int32 = 2, _ says: String...) -> BadInput {
    BadInput(
      name: "eval " + more.joined(separator: " "), code: code, says: says,
      arguments: {
        let model = more.contains("--model") ? [] : ["--model", $0.appending(path: "model").path]
        let place = ["--data", $0.path, "--output", $0.appending(path: "out").path]
        return ["eval"] + model + place + (more.contains("--benchmark") ? [] : ["--benchmark", "pope"]) + more
      })
  }

  private static let evaluations: [BadInput] = [
    eval(["--benchmark", "popes"], "--benchmark", "popes", "pope, mme"),
    eval(["--benchmark", "pope,pope"], "--benchmark", "twice"),
    eval(["--compressor", "dart,sieve"], "--compressor", "sieve", "uniform"), eval(["--keep", "4,x"], "--keep"),
    eval(["--keep", "4,-1"], "--keep is -1"), eval(["--keep", "17"], "--keep is 17", "16"),
    eval(["--layer", "0"], "--layer is 0"), eval(["--keep", "4", "--layer", "5"], "--layer is 5", "1...4"),
    eval(["--compressor", "downsample", "--keep", "3"], "--keep is 3", "2 or 4"), eval(["--limit", "0"], "--limit is 0"),
    eval(["--batch", "0"], "--batch is 0"), eval(["--timed=-1"], "--timed is -1"),
    eval(["--max-tokens", "0"], "--max-tokens is 0"),
    eval(["--split", "pope"], "--split", "pope"), eval(["--split", "gqa=x"], "--split", "gqa=x"),
    eval(["--split", "pope=x"], "--split", "\"x\"", "coco"), eval(["--scorer", "pope=x"], "--scorer", "lmms-eval"),
    eval(["--prompt", "pope=x"], "--prompt", "llava"), eval(["--template", "x"], "--template"),
    eval(["--device", "gpu"], "--device"),
    eval(["--model", "absent"], code: 1, "absent", "no such folder"),
    eval(["--keep", "4"], code: 1, "pope: missing", "val2014", "http"),
    BadInput(
      name: "eval without a model", code: 2, says: ["--model"], arguments: { ["eval", "--benchmark", "pope", "--data", $0.path] }),
    BadInput(name: "report of nothing", code: 1, says: ["results.json", "no such file"], arguments: { ["report", $0.path] }),
    BadInput(name: "report without a folder", code: 2, says: ["dir"], arguments: { _ in ["report"] }),
    BadInput(
      name: "report of something else", code: 1, says: ["results.json", "not JSON"], arguments: { ["report", $0.path] },
      change: { try Data("{".utf8).write(to: $0.appending(path: "results.json")) }),
  ]

  /// `demo` of the checkpoint in a new folder.
  private static func demo(_ more: [String], code: Int32 = 2, _ says: String...) -> BadInput {
    BadInput(
      name: "demo " + more.joined(separator: " "), code: code, says: says,
      arguments: {
        let model = $0.appending(path: "model").path
        let models = more.contains("--start") || more.contains("--from-scratch") ? [] : ["--start", model, "--finished", model]
        return ["demo", "--output", $0.appending(path: "out").path] + models + more
      })
  }

  private static let demonstrations: [BadInput] = [
    demo(["--steps", "0"], "--steps is 0"), demo(["--test", "0"], "--test is 0"), demo(["--threads", "0"], "--threads is 0"),
    demo(["--curriculum", "steep"], "--curriculum", "steep", "token"), demo(["--start", "a"], "--start", "--finished"),
    demo(["--divergence-weight", "1.5"], "--divergence-weight is 1.5, expected 0...1"),
    demo(["--from-scratch", "--start", "a", "--finished", "b"], "--from-scratch", "--start"),
    demo(["--start", "/absent", "--finished", "/absent"], code: 1, "/absent"),
    BadInput(
      name: "demo where something is", code: 1, says: ["no folder of epic demo", "--output"],
      arguments: {
        [
          "demo", "--output", $0.path, "--start", $0.appending(path: "model").path, "--finished",
          $0.appending(path: "model").path,
        ]
      }),
    BadInput(
      name: "report of pictures that are not there", code: 1, says: ["a.png", "No such file"],
      arguments: { ["report", $0.path] },
      change: {
        let text =
          #"{"notes":[],"items":[{"question":"","reference":"","note":"","views":[{"title":"","image":"a.png","answers":[]}]}]}"#
        try Data(text.utf8).write(to: $0.appending(path: "pictures.json"))
      }),
    BadInput(
      name: "report of a run that is none", code: 1, says: ["metrics.jsonl, line 1"], arguments: { ["report", $0.path] },
      change: { try Data("{}\n".utf8).write(to: $0.appending(path: "metrics.jsonl")) }),
  ]

  private static let laboratories: [BadInput] = [
    usage("data make of an unknown set", ["data", "make", "faces", "--output", "x"], "faces"),
    usage(
      "data make of nothing", ["data", "make", "shapes", "--output", "x", "--train", "0", "--tune", "0", "--test", "0"], "--train"
    ),
    usage("data make of minutes of pictures", ["data", "make", "shapes", "--output", "x", "--minutes", "1"], "--minutes"),
    usage(
      "data make of too long clips", ["data", "make", "moving-shapes", "--output", "x", "--frames", "17"], "--frames is 17"),
    usage("data make of less than nothing", ["data", "make", "shapes", "--output", "x", "--test", "-1"], "--test"),
    usage("data make with no workers", ["data", "make", "shapes", "--output", "x", "--workers", "0"], "--workers is 0"),
    BadInput(
      name: "data make where something is", code: 1, says: ["no data set of shapes", "another folder"],
      arguments: { ["data", "make", "shapes", "--output", $0.path, "--train", "1"] }),
    usage("align in no steps", ["align", "--output", "x", "--steps", "0"], "--steps is 0"),
    usage("align nowhere", ["align", "--output", "x", "--device", "tpu"], "--device", "tpu"),
    BadInput(
      name: "align where something is", code: 1, says: ["exists"], arguments: { ["align", "--output", $0.path, "--steps", "1"] }),
    usage("base in no steps", ["base", "--output", "x", "--steps", "0"], "--steps is 0"),
    usage(
      "base that starts after its end", ["base", "--output", "x", "--steps", "5", "--start-steps", "6"], "--start-steps is 6"),
    BadInput(
      name: "base where something is", code: 1, says: ["--output"],
      arguments: { ["base", "--output", $0.path, "--steps", "900"] }),
    usage("lab of nothing", ["lab"], "<file>"), usage("lab with no jobs", ["lab", "grid.yaml", "--jobs", "0"], "--jobs is 0"),
    usage("lab of odd seeds", ["lab", "grid.yaml", "--seeds", "1,x"], "--seeds is 1,x"),
    usage("lab of an odd split", ["lab", "grid.yaml", "--split", "train"], "train"),
    BadInput(
      name: "lab without a grid", code: 1, says: ["absent.yaml"],
      arguments: { ["lab", $0.path + "/absent.yaml", "--output", $0.path + "/lab"] }),
    BadInput(
      name: "lab of a bad grid", code: 1, says: ["grid.yaml", "cells is missing", "bases is missing"],
      arguments: { ["lab", $0.path + "/grid.yaml", "--output", $0.path + "/lab"] },
      change: { try Data("data: shapes\n".utf8).write(to: $0.appending(path: "grid.yaml")) }),
    BadInput(
      name: "lab without its data", code: 1, says: ["dataset.json"],
      arguments: { ["lab", $0.path + "/grid.yaml", "--output", $0.path + "/lab"] },
      change: {
        let grid = "{data: absent, bases: {a: {model: m, seeds: [0]}}, evaluate: {benchmarks: [pope]}, cells: {c: {steps: 1}}}"
        try Data(grid.utf8).write(to: $0.appending(path: "grid.yaml"))
      }),
  ]

  static func usage(_ name: String, _ arguments: [String], _ says: String...) -> BadInput {
    BadInput(name: name, code: 2, says: says, arguments: { _ in arguments })
  }
}
