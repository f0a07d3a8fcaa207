// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "tessera",
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2")
    ],
    targets: [
        // C: kernels of our own, and module maps over the system's libraries.
        .target(name: "CKernels"),

        // The floors: a target imports only what lies above it in this list.
        .target(name: "TesseraKV", dependencies: ["CKernels", .product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "TesseraReuse", dependencies: ["TesseraKV"]),

        .target(name: "TesseraTestSupport", dependencies: ["TesseraKV"], path: "Tests/TesseraTestSupport"),
        .testTarget(name: "TesseraKVTests", dependencies: ["TesseraKV", "CKernels", "TesseraTestSupport"]),
        .testTarget(name: "TesseraReuseTests", dependencies: ["TesseraKV", "TesseraReuse", "TesseraTestSupport"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c17
)

// One set of rules for every target that holds code. `unsafeFlags` carries optimisation alone: SwiftPM compiles C at
// -O2, where the attention kernel loses a third of its speed, and specialises generics across modules only when asked.
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
    target.cSettings = [
        .treatAllWarnings(as: .error),
        .unsafeFlags(["-O3"], .when(configuration: .release)),
    ]
}
