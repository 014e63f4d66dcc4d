// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "epic",
  products: [
    .executable(name: "epic", targets: ["EpicCLI"]),
    .library(name: "Torch", targets: ["Torch"]),
    .library(name: "LLaVA", targets: ["LLaVA"]),
    .library(name: "TestModels", targets: ["TestModels"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
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
        .linkedLibrary("turbojpeg"), .linkedLibrary("png"), .linkedLibrary("webp"), .linkedLibrary("gif"),
      ]),
    .target(name: "Imaging", dependencies: ["CImageCodecs", "Torch"]),
    .target(name: "CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),
    .target(name: "Language", dependencies: ["CSentencePiece"]),
    .target(name: "LLaVA", dependencies: ["Torch", "Imaging", "Language"]),
    .target(name: "TestModels", dependencies: ["LLaVA"]),
    .executableTarget(
      name: "EpicCLI",
      dependencies: [
        "LLaVA", "TestModels",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .testTarget(name: "TorchTests", dependencies: ["Torch"]),
    .testTarget(name: "ImagingTests", dependencies: ["Imaging"]),
    .testTarget(name: "LanguageTests", dependencies: ["Language"], exclude: ["Resources"]),
    .testTarget(name: "LLaVATests", dependencies: ["LLaVA", "TestModels"]),
    .testTarget(name: "EpicCLITests", dependencies: ["EpicCLI", "LLaVA", "TestModels"]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx20
)
