// swift-tools-version: 6.2
import PackageDescription

// The floors (docs/internals/architecture.md): imports only go down. `Tests/TidyTests` pins this
// table, so a target that reaches upward fails a test before it fails a review.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

func swift(
    _ name: String, _ dependencies: [Target.Dependency], path: String? = nil
) -> Target {
    .target(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
    name: "exchequer",
    products: [.executable(name: "exchequer", targets: ["exchequer"])],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Floor 0: C. System libraries are installed by `make deps`.
        .systemLibrary(
            name: "CSecp256k1", pkgConfig: "libsecp256k1", providers: [.apt(["libsecp256k1-dev"])]),
        .systemLibrary(
            name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(name: "CCurlShim", dependencies: ["CCurl"]),
        .target(name: "CHost"),
        .target(name: "CKernels"),

        // Floor 1: values that decide. No Foundation, no clock, no I/O.
        swift("Primitives", []),
        swift("Cryptography", ["Primitives", "CKernels", "CSodium", "CSecp256k1"]),
        swift("Economics", ["Primitives"]),
        swift("Ledger", ["Primitives"]),
        swift("Planning", ["Primitives"]),
        swift("Clearing", ["Primitives", "Economics", "Ledger", "Planning"]),
        swift("Verification", ["Primitives", "Cryptography"]),

        // Floor 2: drivers, each owns one foreign world.
        swift(
            "Transport",
            [
                "Primitives", "Cryptography", "CCurl", "CCurlShim", "CHost",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        swift(
            "Storage",
            [
                "Primitives", "Cryptography", "Ledger", "Clearing", "CPostgres",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        swift("Chains", ["Primitives", "Cryptography", "Transport"]),
        swift("Inference", ["Primitives", "Cryptography", "Verification", "CKernels"]),

        // Floor 3: runtimes.
        swift(
            "Service",
            [
                "Primitives", "Cryptography", "Economics", "Ledger", "Clearing", "Verification",
                "Transport", "Storage", "Chains", "Inference",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        swift(
            "Gateway",
            [
                "Primitives", "Cryptography", "Economics", "Ledger", "Clearing", "Verification",
                "Storage", "Inference", "Service",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        swift(
            "LedgerServer",
            [
                "Primitives", "Ledger", "Storage", "Service",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        swift(
            "Node",
            [
                "Primitives", "Cryptography", "Verification", "Planning", "Inference", "Transport",
            ]),
        swift(
            "Simulator",
            [
                "Primitives", "Cryptography", "Economics", "Ledger", "Clearing", "Verification",
                .product(name: "Yams", package: "Yams"),
            ], path: "sim/Simulator"),

        // Floor 4: the one executable: parsing, envelopes and exit codes only.
        .executableTarget(
            name: "exchequer",
            dependencies: [
                "Primitives", "Cryptography", "Economics", "Ledger", "Planning", "Clearing",
                "Verification", "Transport", "Storage", "Chains", "Inference", "Service",
                "Gateway", "LedgerServer", "Node", "Simulator", "CHost",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),

        // Tests use public interfaces only, so that one release build serves tests and demo.
        tests("Primitives", ["Primitives"]),
        tests("Cryptography", ["Primitives", "Cryptography"]),
        tests("Economics", ["Primitives", "Economics", "exchequer", "ProcessHarness"]),
        tests("Ledger", ["Primitives", "Ledger", "NaiveLedger"]),
        // The ledger written again in the obvious way, to be compared with.
        swift("NaiveLedger", ["Primitives", "Ledger"], path: "Tests/NaiveLedger"),
        tests("Clearing", ["Primitives", "Economics", "Ledger", "Clearing", "ClearingWorld"]),
        // A small house and random walks of it.
        swift(
            "ClearingWorld", ["Primitives", "Economics", "Ledger", "Clearing"],
            path: "Tests/ClearingWorld"),
        tests("Planning", ["Primitives", "Planning"]),
        tests("Verification", ["Primitives", "Cryptography", "Verification"]),
        tests("Transport", ["Primitives", "Cryptography", "Transport", "LoopbackServer"]),
        // A plain TCP server of this machine, for saying what no good peer would.
        swift("LoopbackServer", [], path: "Tests/LoopbackServer"),
        tests(
            "Storage",
            [
                "Primitives", "Cryptography", "Economics", "Ledger", "Clearing", "Storage",
                "Service", "ClearingWorld", "PostgresHarness", "SimulatedDisk", "journalwriter",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        // A real PostgreSQL server for tests, and a writer to be killed or fenced.
        .target(
            name: "PostgresHarness", dependencies: ["CPostgres"], path: "Tests/PostgresHarness",
            swiftSettings: strict),
        .executableTarget(
            name: "journalwriter", dependencies: ["Primitives", "Storage"],
            path: "Tests/JournalWriter", swiftSettings: strict),
        // A disk for the tests that fails, tears and forgets.
        swift("SimulatedDisk", ["Primitives", "Storage"], path: "Tests/SimulatedDisk"),
        // Clients, network, clock, disk and servers of a ledger in one thread, from one seed.
        swift(
            "CommitSimulation",
            [
                "Primitives", "Cryptography", "Ledger", "Storage", "Service", "NaiveLedger",
                "SimulatedDisk",
            ],
            path: "Tests/CommitSimulation"),
        .executableTarget(
            name: "commitsimulator", dependencies: ["CommitSimulation"],
            path: "Tests/CommitSimulator", swiftSettings: strict),
        tests("CommitSimulation", ["CommitSimulation", "commitsimulator", "SimulatedDisk"]),
        tests(
            "Chains", ["Primitives", "Cryptography", "Transport", "Chains", "LoopbackServer"]),
        tests(
            "Inference",
            [
                "Primitives", "Cryptography", "CKernels", "KernelGolden", "Verification",
                "Inference",
            ]),
        // Cases for the kernels, which the program for an ARM emulator (main.c) shares.
        .target(
            name: "KernelGolden", dependencies: ["CKernels"], path: "Tests/KernelGolden",
            exclude: ["main.c"]),
        tests(
            "Service",
            [
                "Primitives", "Cryptography", "Economics", "Ledger", "Clearing", "Storage",
                "Chains",
                "Inference", "Service", "crashwriter", "replicatedwriter", "PostgresHarness",
                "ProcessHarness", "Transport", .product(name: "Logging", package: "swift-log"),
            ]),
        // Programs of this build as processes of their own.
        .target(
            name: "ProcessHarness", path: "Tests/ProcessHarness", swiftSettings: strict),
        // A ledger with a standby, which the Service tests kill, stop and cut off.
        .executableTarget(
            name: "replicatedwriter",
            dependencies: ["Primitives", "Cryptography", "Ledger", "Storage", "Service"],
            path: "Tests/ReplicatedWriter", swiftSettings: strict),
        // A house that the Service tests kill while it writes.
        .executableTarget(
            name: "crashwriter",
            dependencies: [
                "Primitives", "Economics", "Clearing", "Storage", "Service", "CDiskRecorder",
            ],
            path: "Tests/CrashWriter", swiftSettings: strict),
        .target(name: "CDiskRecorder", path: "Tests/DiskRecorder"),
        tests(
            "Gateway",
            [
                "Primitives", "Cryptography", "Economics", "Clearing", "Verification", "Transport",
                "Storage", "Chains", "Inference", "Service", "Node", "Gateway", "LoopbackServer",
                "UpstreamHarness",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        tests(
            "Node",
            [
                "Primitives", "Cryptography", "Verification", "Planning", "Inference", "Transport",
                "Node", "LoopbackServer", "UpstreamHarness", "exchequer", "ProcessHarness",
            ]),
        // A real llama.cpp server as a process, and one that replays what others answer.
        swift("UpstreamHarness", ["LoopbackServer"], path: "Tests/UpstreamHarness"),
        tests(
            "LedgerServer",
            [
                "Primitives", "Ledger", "Storage", "Service", "LedgerServer", "exchequer",
                "NaiveLedger", "PostgresHarness", "ProcessHarness",
            ]),
        tests(
            "Simulator",
            ["Primitives", "Economics", "Clearing", "Simulator", "exchequer", "ProcessHarness"]),
        tests("Tidy", []),
    ]
)

// The fuzz targets belong to `make fuzz`, which links them with libFuzzer's main function.
if Context.environment["EXCHEQUER_FUZZ"] != nil {
    package.products.append(.library(name: "Fuzz", type: .static, targets: ["Fuzz"]))
    package.targets.append(swift("Fuzz", ["Primitives", "Inference"], path: "Tests/Fuzz"))
}
