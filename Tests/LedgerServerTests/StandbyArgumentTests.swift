import Foundation
import ProcessHarness
import Testing

/// What `exchequer ledger serve` and `exchequer ledger standby` say of a wrong command line.
@Suite struct StandbyArgumentTests {
    private static let key = String(repeating: "ab", count: 32)

    struct Wrong: CustomTestStringConvertible {
        let arguments: [String]
        let code: Int32
        let words: String

        init(_ line: String, _ code: Int32, _ words: String) {
            arguments = line.split(separator: " ").map(String.init)
            self.code = code
            self.words = words
        }

        var testDescription: String { arguments.joined(separator: " ") }
    }

    @Test(arguments: [
        Wrong("serve --replicate-to 7200", 64, "goes with --standby-key and --identity"),
        Wrong("serve --replicate-to 7200 --identity F", 64, "goes with --standby-key"),
        Wrong("serve --standby-key \(key)", 64, "go with --replicate-to"),
        Wrong("serve --alone", 64, "go with --replicate-to"),
        Wrong("serve --replicate-to 7200 --standby-key ab --identity F", 64, "64 hexadecimal"),
        Wrong("serve --replicate-to here --standby-key \(key)", 64, "'here' is invalid"),
        Wrong("serve --replicate-to :1 --standby-key \(key)", 64, "':1' is invalid"),
        Wrong(
            "serve --replicate-to h:0 --standby-key \(key) --identity F", 64, "a port above 0"),
        Wrong(
            "serve --replicate-to 1 --standby-key \(key) --identity F --acknowledge never", 64,
            "'never' is invalid"),
        Wrong(
            "serve --replicate-to 1 --standby-key \(key) --identity F --acknowledge async --alone",
            64, "--alone goes with sync"),
        Wrong(
            "serve --replicate-to 1 --standby-key \(key) --identity \(#filePath)", 3,
            "does not hold 64 hexadecimal digits"),
        Wrong(
            "serve --journal postgres:host=h --replicate-to 1 --standby-key \(key) --identity F",
            64, "has no copy"),
        Wrong("standby --identity F", 64, "goes with --listen, --leader-key and --identity"),
        Wrong("standby --listen 0 --leader-key \(key)x --identity F", 64, "64 hexadecimal"),
        Wrong("standby --listen 70000", 64, "'70000' is invalid"),
        Wrong("standby --patience 0.1", 64, "from 1 to 3,600"),
        Wrong("standby --journal postgres:host=h --listen 0", 64, "PostgreSQL has none"),
        Wrong("standby --journal mysql:books", 3, "no kind of journal named mysql"),
    ])
    func isSaid(_ wrong: Wrong) async throws {
        let folder = "\(FileManager.default.temporaryDirectory.path)/wrong-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var arguments = wrong.arguments
        if !arguments.contains("--journal") { arguments += ["--journal", "file:\(folder)"] }
        let program = try LedgerProgram(arguments)
        #expect(try await program.end() == wrong.code, "\(program.words)")
        #expect(program.words.contains(wrong.words), "\(program.words)")
        #expect(program.lines.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: folder), "it made a journal")
    }

    @Test func eachMachineHasItsOwnKey() async throws {
        let machines = try await TwoMachines()
        let program = try LedgerProgram(
            [
                "serve", "--journal", machines.place("file", "books"), "--replicate-to", "1",
                "--identity", "\(machines.folder)/leader.key", "--standby-key",
                machines.leaderKey,
            ])
        #expect(try await program.end() == 3)
        #expect(program.words.contains("each has its own"))
    }
}
