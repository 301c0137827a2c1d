import Foundation

/// The tracked files of this repository, read once.
struct Repository: Sendable {
    struct File: Sendable {
        /// The path from the repository's root.
        let path: String
        let lines: [String]
    }

    let files: [File]

    static let shared = Repository()

    static let root: URL = {
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let manifest = folder.appendingPathComponent("Package.swift").path
            if FileManager.default.fileExists(atPath: manifest) { return folder }
        }
        return folder
    }()

    private init() {
        let manager = FileManager.default
        var found: [File] = []
        for top in ["Sources", "Tests", "sim", "contracts-abi", "docs"] {
            let base = Repository.root.appendingPathComponent(top).resolvingSymlinksInPath()
            guard let walk = manager.enumerator(atPath: base.path) else { continue }
            for case let path as String in walk {
                let name = "\(top)/\(path)"
                guard Repository.isText(name),
                    let text = try? String(
                        contentsOf: base.appendingPathComponent(path), encoding: .utf8)
                else { continue }
                found.append(File(path: name, lines: text.components(separatedBy: "\n")))
            }
        }
        files = found.sorted { $0.path < $1.path }
    }

    private static func isText(_ path: String) -> Bool {
        [".swift", ".c", ".h", ".py", ".vy", ".sh", ".md"].contains { path.hasSuffix($0) }
            && !path.contains("__pycache__")
    }

    /// Swift files below a folder.
    func swift(under folder: String) -> [File] {
        files.filter { $0.path.hasPrefix(folder + "/") && $0.path.hasSuffix(".swift") }
    }
}

/// The targets and what each may import of the project's own: docs/internals/architecture.md.
enum Floors {
    static let pure = [
        "Primitives", "Cryptography", "Economics", "Ledger", "Planning", "Clearing",
        "Verification",
    ]

    static let mayImport: [String: Set<String>] = [
        "Primitives": [],
        "Cryptography": ["Primitives", "CKernels", "CSodium", "CSecp256k1"],
        "Economics": ["Primitives"],
        "Ledger": ["Primitives"],
        "Planning": ["Primitives"],
        "Clearing": ["Primitives", "Economics", "Ledger", "Planning"],
        "Verification": ["Primitives", "Cryptography"],
        "Transport": ["Primitives", "Cryptography", "CCurl", "CCurlShim", "CHost"],
        "Storage": [
            "Primitives", "Cryptography", "Clearing", "Economics", "Ledger", "CPostgres",
        ],
        "Chains": ["Primitives", "Cryptography", "Transport"],
        "Inference": ["Primitives", "Cryptography", "Verification", "CKernels"],
        "Service": [
            "Primitives", "Cryptography", "Economics", "Ledger", "Clearing", "Verification",
            "Transport", "Storage", "Chains", "Inference",
        ],
        "Gateway": [
            "Primitives", "Cryptography", "Economics", "Ledger", "Clearing", "Verification",
            "Storage", "Inference", "Service",
        ],
        "LedgerServer": ["Primitives", "Ledger", "Storage", "Service"],
        "Node": [
            "Primitives", "Cryptography", "Verification", "Planning", "Inference", "Transport",
        ],
        "Simulator": [
            "Primitives", "Cryptography", "Economics", "Ledger", "Clearing", "Verification",
        ],
    ]

    static func folder(of target: String) -> String {
        target == "Simulator" ? "sim/Simulator" : "Sources/\(target)"
    }
}
