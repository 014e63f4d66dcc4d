import Evaluation
import Foundation

/// Right answers by question id.
package typealias Answers = [String: String]

extension DataFolder {
  private static let short = PromptSuffix.shortAnswer

  /// All by their names.
  @discardableResult
  package func make(_ name: String) throws -> Answers {
    switch name {
    case "vqav2": try vqav2()
    case "gqa": try gqa()
    case "vizwiz": try vizwiz()
    case "scienceqa": try scienceQA()
    case "textvqa": try textVQA()
    case "pope": try pope()
    case "mme": try mme()
    case "mmbench": try mmBench("mmbench/mmbench_dev_20230712.tsv")
    case "mmbench-cn": try mmBench("mmbench/mmbench_dev_cn_20231003.tsv")
    case "refcoco": try refCOCO()
    case "mvbench": try mvBench()
    case "mlvu": try mlvu()
    case "videomme": try videoMME()
    case "clevrer": try clevrer()
    case "ocrbench": try ocrBench()
    default: throw NoMiniature(name: name)
    }
  }

  /// A benchmark whose files are not made here yet.
  private struct NoMiniature: Error { let name: String }

  package func vqav2() throws -> Answers {
    var (questions, annotations, answers): ([[String: Any]], [[String: Any]], Answers) = ([], [], [:])
    for index in 0..<20 {
      let (image, id) = (index / 4 + 1, (index / 4 + 1) * 1000 + index % 4)
      let answer = ["yes", "no", "2", "red"][index % 4]
      questions.append(["image_id": image, "question": "Question \(index)?", "question_id": id])
      annotations.append([
        "question_id": id, "image_id": image, "question_type": "is the",
        "answer_type": ["yes/no", "yes/no", "number", "other"][index % 4],
        "multiple_choice_answer": answer,
        "answers": (1...10).map {
          ["answer_id": $0, "answer": $0 < 8 ? answer : "other", "answer_confidence": "yes"] as [String: Any]
        },
      ])
      answers[String(id)] = answer
      if index % 4 == 0 { try picture("vqav2/val2014/\(VQAv2.imageName(image, subset: "val2014"))", image) }
    }
    try write(
      json: ["info": [:], "task_type": "Open-Ended", "questions": questions], "vqav2/v2_OpenEnded_mscoco_val2014_questions.json")
    try write(json: ["info": [:], "annotations": annotations], "vqav2/v2_mscoco_val2014_annotations.json")
    return answers
  }

  /// Four questions of test-dev among eight of test2015.
  package func vqav2Test() throws {
    func line(_ id: Int) -> [String: Any] {
      [
        "question_id": id, "image": VQAv2.imageName(id / 1000, subset: "test2015"), "text": "What \(id)?" + Self.short,
        "category": "default",
      ]
    }
    let all = (1...8).map { 9_000 - $0 * 1000 }
    try write(
      lines: all.enumerated().filter { $0.offset % 2 == 1 }.map { line($0.element) },
      "vqav2/llava_vqav2_mscoco_test-dev2015.jsonl")
    try write(lines: all.map(line), "vqav2/llava_vqav2_mscoco_test2015.jsonl")
    try picture("vqav2/test2015/\(VQAv2.imageName(1, subset: "test2015"))", 1)
  }

  package func gqa() throws -> Answers {
    var (questions, answers): ([String: Any], Answers) = ([:], [:])
    for index in 0..<24 {
      let id = "2010\(index)"
      let answer = ["red", "yes", "left", "no"][index % 4]
      questions[id] = [
        "question": "Which is \(index)?", "imageId": "n\(index / 6)", "answer": answer, "fullAnswer": "It is.",
        "isBalanced": index != 23,
        "types": ["structural": ["query", "verify", "choose", "logical"][index % 4]],
        "groups": ["global": NSNull(), "local": "x"],
      ]
      if index != 23 { answers[id] = answer }
      if index % 6 == 0 { try picture("gqa/data/images/n\(index / 6).jpg", index) }
    }
    try write(json: questions, "gqa/data/testdev_balanced_questions.json")
    let lines = (0..<23).map { index -> [String: Any] in
      [
        "question_id": "2010\(index)", "image": "n\(index / 6).jpg", "text": "Which is \(index)?" + Self.short,
        "category": "default",
      ]
    }
    try write(lines: lines, "gqa/llava_gqa_testdev_balanced.jsonl")
    return answers
  }

  package func vizwiz() throws -> Answers {
    var answers: Answers = [:]
    for split in ["val", "test"] {
      let records = try (0..<12).map { index -> [String: Any] in
        let name = "VizWiz_\(split)_0000000\(index % 10)\(index / 10).jpg"
        try picture("vizwiz/\(split)/\(name)", index)
        var record: [String: Any] = ["image": name, "question": "What IS this \(index)? "]
        if split == "val" {
          let answer = index % 3 == 0 ? "unanswerable" : "soup"
          answers[String(index)] = answer
          record["answers"] = (0..<10).map { ["answer": $0 < 6 ? answer : "can", "answer_confidence": "yes"] }
          record["answer_type"] = index % 3 == 0 ? "unanswerable" : "other"
          record["answerable"] = 1
        }
        return record
      }
      try write(json: records, "vizwiz/\(split).json")
    }
    return answers
  }

  package func scienceQA() throws -> Answers {
    var (problems, converted, answers): ([String: Any], [[String: Any]], Answers) = ([:], [], [:])
    let ids = (0..<15).map { String(($0 * 7) % 15 + 100) }
    for (index, id) in ids.enumerated() {
      let (gold, hint) = (index % 3, index % 2 == 0 ? "A hint  with spaces." : "")
      let image = index % 3 == 2 ? nil : "image.png"
      problems[id] = [
        "question": "Which rock \(index)?", "choices": ["granite", "basalt", "marble"], "answer": gold, "hint": hint,
        "image": image.map { $0 as Any } ?? NSNull(), "split": "test", "subject": "natural science",
      ]
      if image != nil { try picture("scienceqa/images/test/\(id)/image.png", index) }
      let text =
        (image == nil ? "" : "<image>\n") + (hint.isEmpty ? "" : "Context: A hint with spaces.\n")
        + "Which rock \(index)?\nA. granite\nB. basalt\nC. marble"
      var record: [String: Any] = [
        "id": id, "conversations": [["from": "human", "value": text], ["from": "gpt", "value": ["A", "B", "C"][gold]]],
      ]
      record["image"] = image.map { "\(id)/\($0)" }
      converted.append(record)
      if image != nil { answers[id] = ["A", "B", "C"][gold] }
    }
    problems["1"] = ["question": "Of another split", "choices": ["x"], "answer": 0]
    try write(json: problems, "scienceqa/problems.json")
    try write(json: ["train": ["1"], "test": ids], "scienceqa/pid_splits.json")
    try write(json: converted, "scienceqa/llava_test_CQM-A.json")
    return answers
  }

  /// Two pictures have two questions each, so that LLaVA's ids are not unique.
  package func textVQA() throws -> Answers {
    var (data, lines, tokens, answers): ([[String: Any]], [[String: Any]], [[String: Any]], Answers) = ([], [], [], [:])
    for index in 0..<12 {
      let image = "00a\(min(index, 9))"
      let words = index == 3 ? [] : ["stop", "w\(min(index, 9))"]
      data.append([
        "question_id": 34_602 + index, "question": "what does sign \(index) SAY?", "image_id": image,
        "answers": (0..<10).map { $0 < 5 ? "stop \(index)" : "nothing" },
      ])
      lines.append([
        "question_id": image, "image": "\(image).jpg", "category": "default",
        "text": "What does sign \(index) say?\nReference OCR token: \(words.joined(separator: ", "))" + Self.short,
      ])
      if index < 10 {
        tokens.append(["image_id": image, "ocr_tokens": words])
        try picture("textvqa/train_images/\(image).jpg", index)
      }
      answers[index < 10 ? image : "\(image)#\(index - 8)"] = "Stop \(index)."
    }
    try write(json: ["dataset_name": "textvqa", "data": data], "textvqa/TextVQA_0.5.1_val.json")
    try write(json: ["data": tokens], "textvqa/TextVQA_Rosetta_OCR_v0.2_val.json")
    try write(lines: lines, "textvqa/llava_textvqa_val_v051_ocr.jsonl")
    return answers
  }

  package func pope() throws -> Answers {
    var (lines, answers): ([[String: Any]], Answers) = ([], [:])
    for (split, offset) in [("adversarial", 0), ("random", 10_000_000), ("popular", 20_000_000)] {
      var labels: [[String: Any]] = []
      for index in 1...(split == "random" ? 10 : 12) {
        let image = VQAv2.imageName(index / 6, subset: "val2014")
        let (text, label) = ("Is there a \(split) \(index) in the image?", index % 2 == 0 ? "yes" : "no")
        labels.append(["question_id": index, "image": image, "text": text, "label": label])
        lines.append(["question_id": index + offset, "image": image, "text": text + Self.short, "category": split])
        answers[String(index + offset)] = label == "yes" ? "Yes" : "No"
      }
      try write(lines: labels, "pope/coco/coco_pope_\(split).json")
    }
    for image in 0...2 { try picture("pope/val2014/\(VQAv2.imageName(image, subset: "val2014"))", image) }
    try write(lines: lines, "pope/llava_pope_test.jsonl")
    return answers
  }

  /// Two subtasks of each layout, two pictures each; one question is followed by two spaces.
  package func mme() throws -> Answers {
    var (lines, answers): ([[String: Any]], Answers) = ([], [:])
    for (subtask, isApart, ending) in [
      ("existence", false, "jpg"), ("artwork", true, "jpg"), ("celebrity", true, "jpg"), ("code_reasoning", false, "png"),
    ] {
      for index in 0..<3 {
        let image = "\(subtask)/\(isApart ? "images/" : "")000\(index).\(ending)"
        try picture("MME/MME_Benchmark_release_version/\(image)", index)
        let questions = ["Is this \(subtask) \(index)?", "Is this not \(subtask) \(index)?"]
        let space = subtask == "artwork" && index == 1 ? "  " : " "
        let text = zip(questions, ["Yes", "No"]).map { "\($0)\(space)Please answer yes or no.\t\($1)\n" }.joined()
        try write(text, "MME/MME_Benchmark_release_version/\(subtask)/\(isApart ? "questions_answers_YN/" : "")000\(index).txt")
        for question in questions {
          lines.append(["question_id": image, "image": image, "text": question + Self.short, "category": subtask])
        }
        answers[image] = "Yes"
        answers["\(image)#2"] = "No."
      }
    }
    try write(lines: lines, "MME/llava_mme.jsonl")
    return answers
  }

  /// Five questions with four, three or two options, all rotated; a hint over two lines; a picture that is another row's.
  package func mmBench(_ path: String) throws -> Answers {
    var (rows, answers): ([String], Answers) = ([], [:])
    let options = [
      ["summer", "winter", "spring", "autumn"], ["one", "two", "three"], ["left", "right"], ["a", "b", "c", "d"], ["x", "y"],
    ]
    for copy in 0..<4 {
      for (index, texts) in options.enumerated() where copy < texts.count {
        let turned = texts.indices.map { texts[($0 - copy + texts.count) % texts.count] }
        let gold = ["A", "B", "C", "D"][(index % texts.count + copy) % texts.count]
        let id = (index + 7) + copy * 1_000_000
        let cells = turned + Array(repeating: "", count: 4 - turned.count)
        let image = copy == 1 ? String(index + 7) : try Self.picture(index).base64EncodedString()
        let hint = index == 0 ? "\"Taken in \"\"winter\"\".\nOutside.\"" : ""
        rows.append(
          ([String(id), "What is \(index)?", hint] + cells + [
            gold, "cat\(index % 2)", image, "src", "L2 \(index % 2)", "", "dev",
          ])
          .joined(separator: "\t"))
        answers[String(id)] = gold
      }
    }
    let header = "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage\tsource\tl2-category\tcomment\tsplit"
    try write(([header] + rows).joined(separator: "\n") + "\n", path)
    return answers
  }

  package func ocrBench() throws -> Answers {
    var (records, answers): ([[String: Any]], Answers) = ([], [:])
    let types = ["Regular Text Recognition", "Scene Text-centric VQA", "Handwritten Mathematical Expression Recognition"]
    for index in 0..<15 {
      let dataset = ["svt", "STVQA", "HME100k"][index % 3]
      let answer = index % 3 == 2 ? "x ^ \(index)\n" : "Word \(index)"
      let several: Any = index % 2 == 0 ? answer : [answer, "never"]
      records.append([
        "dataset_name": dataset, "id": index / 3, "image_path": "\(dataset)/\(index).jpg", "question": "what is written?",
        "answers": several, "type": types[index % 3],
      ])
      try picture("OCRBench/OCRBench_Images/\(dataset)/\(index).jpg", index)
      answers["\(dataset)/\(index / 3)"] = index % 3 == 2 ? "$x^\(index)$" : "It says word \(index)"
    }
    try write(json: records, "OCRBench/OCRBench.json")
    return answers
  }

  package func refCOCO() throws -> Answers {
    var (lines, answers): ([[String: Any]], Answers) = ([], [:])
    for index in 0..<8 {
      let name = "COCO_train2014_\(index / 2)"
      let sentence = index == 7 ? "the lady in blue" : "thing \(index)"
      let box = [Double(index % 3), 1, Double(index % 3) + 2.5, 3]
      lines.append([
        "image": "data/coco/train2014/\(name).jpg", "sent": sentence, "bbox": box, "height": 4, "width": 6,
      ])
      try picture("refcoco/train2014/\(name).jpg", index / 2)
      // The picture is padded above and below by one pixel.
      let padded = [box[0], box[1] + 1, box[2], box[3] + 1].map { String($0 / 6) }.joined(separator: ", ")
      answers["\(name)/\(sentence)"] = "[\(padded)]"
    }
    try write(lines: lines, "refcoco/refcoco_val.jsonl")
    return answers
  }
}
