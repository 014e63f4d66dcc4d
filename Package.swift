// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "epic",
  products: [
    .executable(name: "epic", targets: ["EpicCLI"]),
    .library(name: "Torch", targets: ["Torch"]),
    .library(name: "Compression", targets: ["Compression"]),
    .library(name: "LLaVA", targets: ["LLaVA"]),
    .library(name: "Efficiency", targets: ["Efficiency"]),
    .library(name: "Report", targets: ["Report"]),
    .library(name: "Distillation", targets: ["Distillation"]),
    .library(name: "Training", targets: ["Training"]),
    .library(name: "Evaluation", targets: ["Evaluation"]),
    .library(name: "Answering", targets: ["Answering"]),
    .library(name: "Results", targets: ["Results"]),
    .library(name: "TestModels", targets: ["TestModels"]),
    .library(name: "Shapes", targets: ["Shapes"]),
    .library(name: "Lab", targets: ["Lab"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "CLibtorch", pkgConfig: "libtorch"),
    .target(
      name: "CTorch", dependencies: ["CLibtorch"],
      linkerSettings: [.linkedLibrary("tcmalloc_minimal")]),
    .target(name: "Torch", dependencies: ["CTorch"]),
    .target(
      name: "CImageCodecs",
      linkerSettings: [
        .linkedLibrary("turbojpeg"), .linkedLibrary("png"), .linkedLibrary("webp"), .linkedLibrary("webpdemux"),
        .linkedLibrary("gif"),
      ]),
    .target(name: "Imaging", dependencies: ["CImageCodecs", "Torch"]),
    .target(name: "CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),
    .target(name: "Language", dependencies: ["CSentencePiece"]),
    .target(name: "Compression", dependencies: ["Torch"]),
    .target(name: "LLaVA", dependencies: ["Torch", "Imaging", "Language", "Compression"]),
    .target(name: "Efficiency", dependencies: ["Torch", "Compression", "LLaVA"]),
    .target(name: "Distillation", dependencies: ["Torch", "Language", "Compression", "LLaVA"]),
    .target(name: "Report", dependencies: ["Imaging", "Compression"]),
    .target(
      name: "Training",
      dependencies: [
        "Torch", "Imaging", "Language", "Compression", "LLaVA", "Distillation", .product(name: "Yams", package: "Yams"),
      ]),
    .target(name: "Evaluation", dependencies: ["Imaging", "Language"]),
    .target(name: "Results", dependencies: ["Evaluation", "Report"]),
    .target(
      name: "Answering",
      dependencies: ["Torch", "Imaging", "Language", "Compression", "LLaVA", "Efficiency", "Evaluation", "Results"]),
    .target(name: "TestModels", dependencies: ["LLaVA"]),
    .target(name: "Lab", dependencies: [.product(name: "Yams", package: "Yams")]),
    .target(name: "Shapes", dependencies: ["Imaging", "Language"]),
    .target(name: "Demo", dependencies: ["Torch", "Imaging", "LLaVA", "Training", "Shapes"], resources: [.copy("Checkpoints")]),
    .executableTarget(
      name: "EpicCLI",
      dependencies: [
        "Answering", "Compression", "Demo", "Distillation", "Efficiency", "Evaluation", "LLaVA", "Lab", "Report", "Results",
        "Shapes", "TestModels", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .target(name: "TestSupport", path: "Tests/TestSupport"),
    .target(
      name: "EvaluationLayouts", dependencies: ["Evaluation", "Imaging", "TestSupport"], path: "Tests/EvaluationLayouts"),
    .target(name: "GoldenModels", dependencies: ["LLaVA", "TestSupport"], path: "Tests/GoldenModels"),
    .testTarget(name: "TorchTests", dependencies: ["Torch", "TestSupport"], exclude: ["Resources"]),
    .testTarget(name: "ImagingTests", dependencies: ["Imaging", "TestSupport"], exclude: ["Resources"]),
    .testTarget(name: "LanguageTests", dependencies: ["Language", "TestSupport"], exclude: ["Resources"]),
    .testTarget(
      name: "CompressionTests", dependencies: ["Compression", "LLaVA", "Imaging", "GoldenModels", "TestModels", "TestSupport"]),
    .testTarget(name: "LabTests", dependencies: ["Lab", "Training", "TestSupport"]),
    .testTarget(
      name: "ShapesTests", dependencies: ["Shapes", "Evaluation", "Imaging", "Language", "Training", "TestSupport"]),
    .testTarget(name: "DemoTests", dependencies: ["Demo", "Imaging", "Language", "LLaVA", "Shapes", "TestSupport", "Torch"]),
    .testTarget(name: "EfficiencyTests", dependencies: ["Efficiency", "LLaVA", "TestModels"]),
    .testTarget(name: "ReportTests", dependencies: ["Report", "Imaging", "Compression"]),
    .testTarget(name: "LLaVATests", dependencies: ["LLaVA", "TestModels", "TestSupport"]),
    .testTarget(
      name: "DistillationTests",
      dependencies: ["Distillation", "Compression", "LLaVA", "Imaging", "GoldenModels", "TestModels", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: ["Training", "Compression", "Distillation", "Imaging", "Language", "LLaVA", "TestModels", "TestSupport"],
      exclude: ["Resources"]),
    .testTarget(
      name: "EvaluationTests", dependencies: ["Evaluation", "EvaluationLayouts", "Imaging", "Language", "TestSupport"]),
    .testTarget(
      name: "AnsweringTests",
      dependencies: [
        "Answering", "Compression", "Evaluation", "EvaluationLayouts", "Imaging", "Language", "LLaVA", "Results", "TestModels",
        "TestSupport",
      ]),
    .testTarget(name: "ResultsTests", dependencies: ["Results", "Evaluation", "EvaluationLayouts", "TestSupport"]),
    .testTarget(
      name: "EpicCLITests",
      dependencies: [
        "EpicCLI", "Answering", "Compression", "Demo", "Evaluation", "EvaluationLayouts", "Imaging", "Lab", "Results", "LLaVA",
        "TestModels", "TestSupport",
      ]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx20
)
