// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "epic",
  products: [
    .executable(name: "epic", targets: ["EpicCLI"]),
    .library(name: "Torch", targets: ["Torch"]),
    .library(name: "Imaging", targets: ["Imaging"]),
    .library(name: "Video", targets: ["Video"]),
    .library(name: "Audio", targets: ["Audio"]),
    .library(name: "Language", targets: ["Language"]),
    .library(name: "Hub", targets: ["HubCache", "Hub"]),
    .library(name: "Compression", targets: ["Compression"]),
    .library(name: "LLaVA", targets: ["LLaVA"]),
    .library(name: "Efficiency", targets: ["Efficiency"]),
    .library(name: "Report", targets: ["Report"]),
    .library(name: "Distillation", targets: ["Distillation"]),
    .library(name: "Training", targets: ["Training"]),
    .library(name: "Adaptation", targets: ["Adaptation"]),
    .library(name: "Evaluation", targets: ["Evaluation"]),
    .library(name: "Answering", targets: ["Answering"]),
    .library(name: "Results", targets: ["Results"]),
    .library(name: "TestModels", targets: ["TestModels"]),
    .library(name: "Serving", targets: ["Serving"]),
    .library(name: "Shapes", targets: ["Shapes"]),
    .library(name: "Lab", targets: ["Lab"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0", traits: []),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
  ],
  targets: [
    .systemLibrary(name: "CLibtorch", path: "Sources/Basics/CLibtorch", pkgConfig: "libtorch"),
    .target(
      name: "CTorch", dependencies: ["CLibtorch"],
      path: "Sources/Basics/CTorch", cxxSettings: [.headerSearchPath("gloo_names")],
      linkerSettings: [.linkedLibrary("tcmalloc_minimal")]),
    .target(name: "CStart", path: "Sources/Basics/CStart"),
    .target(name: "CLineEditor", path: "Sources/Basics/CLineEditor", linkerSettings: [.linkedLibrary("edit")]),
    .target(name: "Basics", path: "Sources/Basics/Basics"),
    .target(
      name: "Programs", dependencies: ["Basics", .product(name: "Subprocess", package: "swift-subprocess")],
      path: "Sources/Basics/Programs"),
    .target(name: "Torch", dependencies: ["Basics", "CTorch"], path: "Sources/Basics/Torch"),
    .target(name: "Distributed", dependencies: ["Basics", "CTorch", "Torch"], path: "Sources/Basics/Distributed"),
    .target(
      name: "CImageCodecs",
      path: "Sources/Media/CImageCodecs",
      linkerSettings: [
        .linkedLibrary("turbojpeg"), .linkedLibrary("png"), .linkedLibrary("webp"), .linkedLibrary("webpdemux"),
        .linkedLibrary("gif"),
      ]),
    .target(name: "Imaging", dependencies: ["Basics", "CImageCodecs", "Torch"], path: "Sources/Media/Imaging"),
    .target(
      name: "CVideoCodecs",
      path: "Sources/Media/CVideoCodecs",
      linkerSettings: [
        .linkedLibrary("avformat"), .linkedLibrary("avcodec"), .linkedLibrary("swscale"), .linkedLibrary("swresample"),
        .linkedLibrary("avutil"),
      ]),
    .target(name: "Video", dependencies: ["Basics", "CVideoCodecs", "Imaging"], path: "Sources/Media/Video"),
    .target(name: "Audio", dependencies: ["Basics", "CVideoCodecs", "Imaging", "Torch", "Video"], path: "Sources/Media/Audio"),
    .target(name: "CSentencePiece", path: "Sources/Media/CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),
    .target(
      name: "CText", path: "Sources/Media/CText", linkerSettings: [.linkedLibrary("onig"), .linkedLibrary("utf8proc")]),
    .target(name: "CTar", path: "Sources/Media/CTar", linkerSettings: [.linkedLibrary("archive")]),
    .target(name: "Jinja", dependencies: ["Basics"], path: "Sources/Media/Jinja"),
    .target(
      name: "Language",
      dependencies: ["Basics", "CSentencePiece", "CText", "Jinja", .product(name: "HeapModule", package: "swift-collections")],
      path: "Sources/Media/Language"),
    .target(
      name: "HubCache", dependencies: ["Basics", .product(name: "Crypto", package: "swift-crypto")],
      path: "Sources/Media/HubCache"),
    .target(
      name: "Hub",
      dependencies: [
        "Basics", "HubCache", .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ], path: "Sources/Media/Hub"),
    .target(name: "Compression", dependencies: ["Torch"], path: "Sources/Model/Compression"),
    .target(
      name: "LLaVA",
      dependencies: [
        "Basics", "Torch", "HubCache", "Imaging", "Video", "Audio", "Language", "Compression",
        .product(name: "DequeModule", package: "swift-collections"),
      ],
      path: "Sources/Model/LLaVA"),
    .target(name: "Efficiency", dependencies: ["Basics", "Torch", "Compression", "LLaVA"], path: "Sources/Model/Efficiency"),
    .target(
      name: "Distillation", dependencies: ["Torch", "Language", "Compression", "LLaVA"], path: "Sources/Training/Distillation"),
    .target(name: "Report", dependencies: ["Basics", "Imaging", "Compression"], path: "Sources/Measuring/Report"),
    .target(
      name: "Training",
      dependencies: [
        "Basics", "CTar", "Distributed", "Torch", "Imaging", "Video", "Audio", "Language", "Compression", "LLaVA", "Efficiency",
        "Distillation",
        .product(name: "Yams", package: "Yams"),
      ], path: "Sources/Training/Training"),
    .target(
      name: "Adaptation",
      dependencies: ["Basics", "Torch", "Imaging", "Language", "Compression", "LLaVA", "Distillation", "Training"],
      path: "Sources/Training/Adaptation"),
    .target(
      name: "Evaluation",
      dependencies: [
        "Basics", "Imaging", "Video", "Language", .product(name: "OrderedCollections", package: "swift-collections"),
      ],
      path: "Sources/Measuring/Evaluation"),
    .target(name: "Results", dependencies: ["Basics", "Evaluation", "Report"], path: "Sources/Measuring/Results"),
    .target(
      name: "Answering",
      dependencies: [
        "Basics", "Torch", "Imaging", "Video", "Language", "Compression", "LLaVA", "Efficiency", "Evaluation", "Results",
      ], path: "Sources/Measuring/Answering"),
    .target(name: "ChatProtocol", dependencies: ["Basics", "Language"], path: "Sources/Serving/ChatProtocol"),
    .target(
      name: "Fetching",
      dependencies: [
        "Basics", .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ], path: "Sources/Serving/Fetching"),
    .target(
      name: "Engine",
      dependencies: [
        "Basics", "Torch", "Audio", "Imaging", "Video", "Language", "Compression", "LLaVA",
        .product(name: "Crypto", package: "swift-crypto"),
      ], path: "Sources/Serving/Engine"),
    .target(
      name: "Serving",
      dependencies: [
        "Basics", "Programs", "Torch", "Audio", "Imaging", "Video", "Language", "Compression", "LLaVA", "Report", "Results",
        "ChatProtocol", "Fetching", "Engine",
        .product(name: "Hummingbird", package: "hummingbird"), .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"), .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "HTTPTypes", package: "swift-http-types"), .product(name: "Crypto", package: "swift-crypto"),
      ], path: "Sources/Serving/Server", resources: [.embedInCode("page.html")]),
    .target(
      name: "LoadTest",
      dependencies: [
        "Basics", .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ], path: "Sources/Serving/Load"),
    .target(name: "TestModels", dependencies: ["Basics", "LLaVA"], path: "Sources/Examples/TestModels"),
    .target(
      name: "Lab", dependencies: ["Basics", "Programs", "Report", "Results", .product(name: "Yams", package: "Yams")],
      path: "Sources/Examples/Lab"),
    .target(name: "Shapes", dependencies: ["Basics", "Imaging", "Language", "Video"], path: "Sources/Examples/Shapes"),
    .target(
      name: "Demo",
      dependencies: [
        "Basics", "Programs", "Torch", "Imaging", "Language", "Compression", "LLaVA", "Distillation", "Training", "Report",
        "Evaluation", "Results", "Shapes", "Video",
      ], path: "Sources/Examples/Demo",
      resources: [.copy("Checkpoints")]),
    .executableTarget(
      name: "EpicCLI",
      dependencies: [
        "Basics", "CLineEditor", "CStart",
        "Adaptation", "Answering", "ChatProtocol", "Compression", "Demo", "Distillation", "Distributed", "Efficiency",
        "Evaluation", "Fetching",
        "Hub", "HubCache", "LLaVA", "Lab", "LoadTest", "Report", "Results", "Serving", "Shapes", "TestModels", "Training",
        "Audio", "Video",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "CaptionFolder",
      dependencies: [
        "Compression", "Imaging", "LLaVA", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], path: "Examples/CaptionFolder"),
    .executableTarget(
      name: "AskServer",
      dependencies: [
        "Compression", "Imaging", "LLaVA", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Hummingbird", package: "hummingbird"),
      ], path: "Examples/AskServer"),
    .target(
      name: "TestSupport", dependencies: ["Basics", "Programs", .product(name: "Subprocess", package: "swift-subprocess")],
      path: "Tests/TestSupport"),
    .target(
      name: "EvaluationLayouts", dependencies: ["Evaluation", "Imaging", "MadeVideos", "TestSupport"],
      path: "Tests/EvaluationLayouts"),
    .target(
      name: "HubServer",
      dependencies: [
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
      ], path: "Tests/HubServer"),
    .target(name: "GoldenModels", dependencies: ["Compression", "LLaVA", "TestSupport", "Torch"], path: "Tests/GoldenModels"),
    .testTarget(name: "BasicsTests", dependencies: ["Basics", "TestSupport"]),
    .testTarget(name: "TorchTests", dependencies: ["Torch", "TestSupport"], exclude: ["Resources"]),
    .testTarget(name: "ImagingTests", dependencies: ["Imaging", "TestSupport"], exclude: ["Resources"]),
    .target(
      name: "CVideoMaker", path: "Tests/CVideoMaker",
      linkerSettings: [.linkedLibrary("avformat"), .linkedLibrary("avcodec"), .linkedLibrary("avutil")]),
    .target(name: "MadeVideos", dependencies: ["CVideoMaker"], path: "Tests/MadeVideos"),
    .testTarget(
      name: "AudioTests", dependencies: ["Audio", "Basics", "Imaging", "MadeVideos", "TestSupport", "Torch"],
      exclude: ["Resources"]),
    .testTarget(name: "VideoTests", dependencies: ["Imaging", "MadeVideos", "TestSupport", "Video"]),
    .testTarget(name: "JinjaTests", dependencies: ["Jinja", "Language", "TestSupport"], exclude: ["Resources"]),
    .testTarget(name: "LanguageTests", dependencies: ["Language", "TestSupport"], exclude: ["Resources"]),
    .testTarget(name: "HubTests", dependencies: ["Basics", "Hub", "HubCache", "HubServer", "TestSupport"]),
    .testTarget(
      name: "CompressionTests",
      dependencies: [
        "Answering", "Compression", "Distillation", "LLaVA", "Imaging", "GoldenModels", "TestModels", "TestSupport",
      ]),
    .testTarget(name: "LabTests", dependencies: ["Lab", "LLaVA", "Training", "TestSupport"]),
    .testTarget(
      name: "ShapesTests", dependencies: ["Shapes", "Evaluation", "Imaging", "Language", "Training", "TestSupport", "Video"]),
    .testTarget(
      name: "DemoTests",
      dependencies: ["Compression", "Demo", "Imaging", "Language", "LLaVA", "Shapes", "TestSupport", "Torch", "Video"]),
    .testTarget(name: "EfficiencyTests", dependencies: ["Efficiency", "LLaVA", "TestModels", "TestSupport"]),
    .testTarget(name: "ReportTests", dependencies: ["Report", "Imaging", "Compression"]),
    .testTarget(
      name: "LLaVATests",
      dependencies: [
        "Audio", "Basics", "Compression", "Imaging", "LLaVA", "MadeVideos", "TestModels", "TestSupport", "Video",
      ],
      exclude: ["Resources"]),
    .testTarget(
      name: "DistillationTests",
      dependencies: ["Distillation", "Compression", "LLaVA", "Imaging", "GoldenModels", "TestModels", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Audio", "Basics", "Training", "Compression", "Distillation", "Distributed", "Efficiency", "Imaging", "Language", "LLaVA",
        "MadeVideos", "TestModels", "TestSupport", "Video",
      ],
      exclude: ["Resources"]),
    .testTarget(name: "DistributedTests", dependencies: ["Distributed", "TestSupport", "Torch"]),
    .testTarget(
      name: "AdaptationTests",
      dependencies: ["Adaptation", "Compression", "Imaging", "LLaVA", "TestModels", "TestSupport", "Training"]),
    .testTarget(
      name: "EvaluationTests", dependencies: ["Evaluation", "EvaluationLayouts", "Imaging", "Language", "TestSupport"]),
    .testTarget(
      name: "AnsweringTests",
      dependencies: [
        "Answering", "Basics", "Compression", "Evaluation", "EvaluationLayouts", "Imaging", "Language", "LLaVA", "Results",
        "TestModels", "TestSupport", "Torch", "Video",
      ]),
    .testTarget(name: "ResultsTests", dependencies: ["Basics", "Results", "Evaluation", "EvaluationLayouts", "TestSupport"]),
    .testTarget(
      name: "ServingTests",
      dependencies: [
        "ChatProtocol", "Compression", "Engine", "Fetching", "Imaging", "LLaVA", "Language", "LoadTest", "MadeVideos",
        "Results", "Serving", "TestModels",
        "TestSupport",
        "Torch",
        .product(name: "Logging", package: "swift-log"), .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ]),
    .testTarget(
      name: "EpicCLITests",
      dependencies: [
        "EpicCLI", "Answering", "Compression", "Demo", "Evaluation", "EvaluationLayouts", "HubServer", "Imaging", "Lab",
        "Results", "LLaVA", "MadeVideos", "TestModels", "TestSupport", "Training", "Video",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx20
)

// The project's own builds optimise in debug builds too: tests run models, and read pictures pixel by pixel. `unsafeFlags` would keep other
// packages from depending on this one, so only the scripts ask for it.
if Context.environment["EPIC_OPTIMISE"] != nil {
  for target in package.targets where target.type == .regular && target.path?.hasPrefix("Sources/") ?? false {
    target.swiftSettings = [.unsafeFlags(["-O"], .when(configuration: .debug))]
    target.cxxSettings = (target.cxxSettings ?? []) + [.unsafeFlags(["-O2"], .when(configuration: .debug))]
  }
}

// For `make sanitize`. Sanitizers bring an allocator of their own. They do not see through OpenMP, and are not there yet when the loader asks
// which of several copies of a kernel this processor takes: so the kernels are left as they are.
if Context.environment["EPIC_SANITIZE"] != nil {
  for target in package.targets where target.name == "CTorch" || target.name == "CStart" {
    target.cSettings = [.define("EPIC_SANITIZE")]
    target.cxxSettings = (target.cxxSettings ?? []) + [.define("EPIC_SANITIZE"), .unsafeFlags(["-fno-sanitize=all"])]
    target.linkerSettings = []
  }
}
