import Cryptography
import Foundation
import Inference
import Node
import Primitives
import ProcessHarness
import Testing

/// The commands as processes: two stages and a head.
@Suite(.timeLimit(.minutes(10))) struct ClusterCommandTests {
    private struct Ready: Decodable {
        let key: String
        let layers: String
        let port: Int
    }

    private struct Plan: Decodable {
        struct Machine: Decodable {
            let machine: String
            let layers: String?
        }

        let machines: [Machine]
        let order: [String]
    }

    private struct Report: Decodable {
        let tokens: [Int32]
        let finish: String
    }

    private func start(_ layers: String, key: String, peers: [String]) async throws
        -> (RunningProgram, Ready)
    {
        let program = try RunningProgram(
            "exchequer",
            ["cluster", "serve", "--model", try NodeFixture.modelPath(), "--layers", layers]
                + ["--identity", key, "--threads", "1"] + peers.flatMap { ["--peer", $0] })
        try await eventually { !program.lines.isEmpty || !program.isRunning }
        let line = try #require(program.lines.first, "\(program.errors)")
        return (program, try JSONDecoder().decode(Ready.self, from: Data(line.utf8)))
    }

    @Test func machinesAreMeasuredAndUsed() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("exchequer-cluster-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["head", "other"].map { folder.appendingPathComponent($0).path }
        let keys = try files.map { try KeyFiles.identity(at: $0).publicKey.hex }
        let (other, ready) = try await start("any", key: files[1], peers: [keys[0]])
        #expect(ready.layers == "any")
        let route = ["--route", "127.0.0.1:\(ready.port)=\(keys[1])"]
        let model = ["--model", try NodeFixture.modelPath(), "--identity", files[0]]
        let planning = try RunningProgram(
            "exchequer", ["cluster", "plan", "--json", "--threads", "1"] + model + route)
        #expect(try await planning.end() == 0, "\(planning.errors)")
        let plan = try JSONDecoder().decode(
            Plan.self, from: Data(try #require(planning.lines.first).utf8))
        #expect(plan.machines.map(\.machine) == ["head", "127.0.0.1:\(ready.port)"])
        #expect(!plan.order.isEmpty && plan.machines.contains { $0.layers != nil })
        let head = try RunningProgram(
            "exchequer",
            ["cluster", "run", "--split", "auto", "--threads", "1", "--json", "--max-tokens", "8"]
                + model + route + ["The capital of France is"])
        #expect(try await head.end() == 0, "\(head.errors)")
        let wanted = try RingFixture.generator.get().generate(
            prompt: try RingFixture.text("The capital of France is"),
            parameters: SamplingParameters(), maxTokens: 8)
        let line = try #require(head.lines.first)
        #expect(
            try JSONDecoder().decode(Report.self, from: Data(line.utf8)).tokens == wanted.tokens)
        other.signal(SIGTERM)
        #expect(try await other.end() == 143)
    }

    @Test func twoStagesAndAHeadGiveTheSameTokens() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("exchequer-cluster-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["head", "first", "last"].map { folder.appendingPathComponent($0).path }
        let keys = try files.map { try KeyFiles.identity(at: $0).publicKey.hex }
        let (first, firstReady) = try await start(
            "0..<14", key: files[1], peers: [keys[0], keys[2]])
        let (last, lastReady) = try await start(
            "14..<30", key: files[2], peers: [keys[0], keys[1]])
        #expect(firstReady.key == keys[1] && lastReady.layers == "14..<30")
        func run(_ more: [String]) throws -> RunningProgram {
            try RunningProgram(
                "exchequer",
                ["cluster", "run", "--model", try NodeFixture.modelPath(), "--identity", files[0]]
                    + ["--route", "127.0.0.1:\(firstReady.port)=\(keys[1])"]
                    + ["--route", "127.0.0.1:\(lastReady.port)=\(keys[2])"] + more)
        }
        let head = try run(
            ["The capital of France is", "--max-tokens", "12", "--temperature", "0.8", "--json"])
        #expect(try await head.end() == 0, "\(head.errors)")
        let wanted = try RingFixture.generator.get().generate(
            prompt: try RingFixture.text("The capital of France is"),
            parameters: SamplingParameters(temperature: 0.8), maxTokens: 12)
        let line = try #require(head.lines.first)
        let report = try JSONDecoder().decode(Report.self, from: Data(line.utf8))
        #expect(report.tokens == wanted.tokens)
        #expect(report.finish == wanted.reason.rawValue)
        // A route in the wrong order names the layers, with the code of a wrong setting.
        let wrong = try RunningProgram(
            "exchequer",
            ["cluster", "run", "--model", try NodeFixture.modelPath(), "--identity", files[0]]
                + ["--route", "127.0.0.1:\(lastReady.port)=\(keys[2])", "Hello"])
        #expect(try await wrong.end() == 3)
        #expect(wrong.errors.contains { $0.contains("ring_606") })
        // A stage that is gone is the network's code.
        last.signal(SIGTERM)
        #expect(try await last.end() == 143)
        let alone = try run(["Hello", "--json"])
        #expect(try await alone.end() == 6)
        #expect(alone.errors.contains { $0.contains("ring_620") })
        first.signal(SIGTERM)
        #expect(try await first.end() == 143)
    }
}
