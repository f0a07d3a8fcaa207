// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "tessera",
    products: [
        .library(name: "Tessera", targets: ["Tessera"]),
        .library(name: "TesseraClient", targets: ["TesseraClient", "TesseraAPI"]),
        .library(name: "TesseraEviction", targets: ["TesseraEviction"]),
        .library(name: "TesseraPolicyTesting", targets: ["TesseraPolicyTesting"]),
        .executable(name: "tessera", targets: ["TesseraCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["JSON"]),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    ],
    targets: [
        // C: kernels of our own, and module maps over the system's libraries.
        .target(name: "CKernels"),
        .systemLibrary(name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
        .target(name: "CRocksQuiet", dependencies: ["CRocksDB"]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
        .target(name: "CText", dependencies: ["CXML2"], linkerSettings: [.linkedLibrary("icuuc")]),
        .systemLibrary(name: "CXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CCMark", pkgConfig: "libcmark", providers: [.apt(["libcmark-dev"])]),
        .target(name: "CSuite"),
        .target(name: "CDocuments", exclude: ["openapi.json"]),
        .target(name: "CFiles"),
        .target(name: "CSockets"),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CACL", pkgConfig: "libacl", providers: [.apt(["libacl1-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

        // The floors: a target imports only what lies above it in this list.
        .target(
            name: "TesseraKV", dependencies: ["CKernels", "CZstd", .product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "TesseraRuntime", dependencies: ["TesseraKV", "CKernels", "COneDNN", "COpenBLAS"]),
        .target(name: "TesseraEviction", dependencies: ["TesseraKV", "CXXHash"]),
        .target(
            name: "TesseraStore",
            dependencies: [
                "TesseraKV", "TesseraEviction", "CFiles", "CRocksDB", "CRocksQuiet", "CXXHash",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            exclude: ["Format.md"]),
        .target(name: "TesseraReuse", dependencies: ["TesseraKV"]),
        .target(name: "TesseraCompression", dependencies: ["TesseraKV", "COpenBLAS"]),
        .target(name: "TesseraPolicyTesting", dependencies: ["TesseraEviction", "TesseraKV"]),
        .target(
            name: "TesseraRetrieval",
            dependencies: ["TesseraKV", "CText", "CCMark", .product(name: "GRDB", package: "GRDB.swift")]),
        .target(
            name: "Tessera",
            dependencies: [
                "CPNG", "CSuite", "TesseraCompression", "TesseraEviction", "TesseraKV", "TesseraRuntime",
                "TesseraStore", "TesseraReuse",
                "TesseraRetrieval",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(name: "TesseraAPI"),
        .target(
            name: "TesseraClient",
            dependencies: [
                "TesseraAPI", .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .target(
            name: "TesseraSidecar",
            dependencies: [
                "CACL", "CDocuments", "CFiles", "CSockets", "CSystemd", "Tessera", "TesseraAPI", "TesseraEviction",
                "TesseraKV", "TesseraRetrieval", "TesseraReuse", "TesseraRuntime", "TesseraStore",
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOExtras", package: "swift-nio-extras"),
                .product(name: "NIOFoundationCompat", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ]),
        .target(
            name: "TesseraBench",
            dependencies: [
                "CFiles", "Tessera", "TesseraAPI", "TesseraCompression", "TesseraEviction", "TesseraKV", "TesseraReuse",
                "TesseraRetrieval",
                "TesseraRuntime", "TesseraStore",
            ]),
        .executableTarget(
            name: "TesseraCLI",
            dependencies: [
                "Tessera", "TesseraAPI", "TesseraBench", "TesseraClient", "TesseraCompression", "TesseraEviction",
                "TesseraKV", "TesseraRetrieval", "TesseraReuse", "TesseraRuntime", "TesseraSidecar", "TesseraStore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),

        // For tests alone: faults in the calls that libraries make on files, and a program that lives through them.
        .target(name: "CFaultSeam", linkerSettings: [.linkedLibrary("dl")]),
        .executableTarget(
            name: "StoreStress",
            dependencies: [
                "CFaultSeam", "TesseraEviction", "TesseraKV", "TesseraStore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(name: "TesseraTestSupport", dependencies: ["TesseraKV"], path: "Tests/TesseraTestSupport"),
        .testTarget(
            name: "TesseraKVTests", dependencies: ["TesseraCompression", "TesseraKV", "CKernels", "TesseraTestSupport"]),
        .testTarget(
            name: "TesseraRuntimeTests",
            dependencies: ["TesseraRuntime", "TesseraKV", "CKernels", "TesseraTestSupport"]),
        .testTarget(
            name: "TesseraStoreTests",
            dependencies: [
                "CFaultSeam", "TesseraEviction", "TesseraStore", "TesseraKV", "TesseraTestSupport",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(
            name: "TesseraRetrievalTests",
            dependencies: [
                "TesseraRetrieval", "TesseraKV", "TesseraTestSupport", .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(
            name: "TesseraEvictionTests",
            dependencies: ["TesseraEviction", "TesseraKV", "TesseraPolicyTesting", "TesseraTestSupport"]),
        .testTarget(
            name: "TesseraCompressionTests", dependencies: ["TesseraCompression", "TesseraKV", "TesseraTestSupport"]),
        .testTarget(name: "TesseraReuseTests", dependencies: ["TesseraReuse", "TesseraTestSupport"]),
        .testTarget(
            name: "TesseraTests",
            dependencies: [
                "Tessera", "TesseraCompression", "TesseraKV", "TesseraRetrieval", "TesseraReuse", "TesseraRuntime",
                "TesseraStore", "TesseraTestSupport", "CKernels",
            ]),
        .testTarget(
            name: "TesseraBenchTests",
            dependencies: ["Tessera", "TesseraBench", "TesseraCompression", "TesseraKV", "TesseraTestSupport"]),
        .testTarget(
            name: "TesseraSidecarTests",
            dependencies: [
                "Tessera", "TesseraAPI", "TesseraClient", "TesseraKV", "TesseraSidecar", "TesseraTestSupport",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ]),
        .testTarget(
            name: "TesseraClientTests",
            dependencies: [
                "TesseraAPI", "TesseraClient", .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(name: "TesseraCLITests", dependencies: ["TesseraCLI", "TesseraTestSupport"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c17
)

// One set of rules for every target that holds code. `unsafeFlags` carries optimisation alone: SwiftPM compiles C at
// -O2, and specialises generics across modules only when asked.
// Tests are not optimised: they compile in a fraction of the time, and 6.3's optimiser crashes on some of them.
for target in package.targets where target.type != .system {
    let optimisation = target.type == .test ? "-Onone" : "-cross-module-optimization"
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
        .unsafeFlags([optimisation], .when(configuration: .release)),
    ]
    // On a Swift target these would reach a dependent package's compiler call without their values and break it.
    guard target.name.hasPrefix("C") else { continue }
    target.cSettings = [
        .treatAllWarnings(as: .error),
        .unsafeFlags(["-O3"], .when(configuration: .release)),
    ]
}
