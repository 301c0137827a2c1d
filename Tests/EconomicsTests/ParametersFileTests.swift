import Foundation
import ProcessHarness
import Testing

/// The rules in a file, as the program reads them.
@Suite struct ParametersFileTests {
    /// What a small simulation under these rules says: its exit code and its errors.
    private func simulate(_ json: String) async throws -> (code: Int32, errors: [String]) {
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("rules-\(UUID().uuidString).json")
        try Data(json.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let program = try RunningProgram(
            "exchequer",
            [
                "simulate", "--jobs", "20", "--providers", "2", "--cheaters", "1", "--json",
                "--parameters", file.path,
            ])
        let code = try await program.end()
        if code == 0 { #expect(program.lines.joined().hasPrefix("{")) }
        return (code, program.errors)
    }

    @Test(arguments: [
        #"{"emission": {"policy": "height_halving", "initial": "1.5", "interval": 3}}"#,
        #"{"emission": {"policy": "issuance_halving", "initial": "1000.00", "cap": "21000000"}}"#,
        """
        {"epoch_length_seconds": 60, "emission": {"policy": "baseline_minting",
        "simple_total": "330000000", "baseline_total": "770000000", "half_life": 2190,
        "baseline_start": 1000000, "baseline_growth_q128": "224377702615002589582494545262197"}}
        """,
    ])
    func aPolicyIsChosenInTheFile(_ json: String) async throws {
        let (code, errors) = try await simulate(json)
        #expect(code == 0, "\(errors)")
    }

    @Test(arguments: [
        (#"{"policy": "none"}"#, "policy: no such policy: none"),
        (#"{"initial": "1"}"#, "policy: which one is not said"),
        (
            #"{"policy": "height_halving", "initial": "1", "interval": "18446744073709551616"}"#,
            "interval: a number that is too large"
        ),
        (
            #"{"policy": "issuance_halving", "initial": "1"}"#,
            "cap: issuance_halving needs this parameter"
        ),
        (
            #"{"policy": "issuance_halving", "initial": "1", "cap": "2", "interval": 3}"#,
            "interval: issuance_halving has no such parameter"
        ),
        (
            #"{"policy": "issuance_halving", "initial": "1.2.3", "cap": "2"}"#,
            "initial: not decimal text"
        ),
        (
            #"{"policy": "height_halving", "initial": "1", "interval": "-1"}"#,
            "interval: not a whole number"
        ),
        (
            #"{"policy": "height_halving", "initial": "1", "interval": 0}"#,
            "the emission must halve some time"
        ),
    ])
    func whatIsWrongIsSaid(_ policy: String, _ words: String) async throws {
        let (code, errors) = try await simulate("{\"emission\": \(policy)}")
        #expect(code == 3)
        #expect(errors.contains { $0.contains(words) }, "\(errors)")
    }
}
