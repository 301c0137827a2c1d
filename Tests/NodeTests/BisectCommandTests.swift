import Cryptography
import Foundation
import Inference
import Node
import Primitives
import ProcessHarness
import Testing
import Verification

/// `exchequer bisect` as a process, on the real model: a provider with tampered weights.
@Suite(.timeLimit(.minutes(10))) struct BisectCommandTests {
    private struct Report: Decodable {
        let code: UInt16?
        let finding: String
        let loser, operation, step, accused_node: String?
        let stage: UInt16?
        let rounds: Int
    }

    private struct Folder {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("exchequer-bisect-\(UUID().uuidString)")

        func path(_ name: String) -> String { url.appendingPathComponent(name).path }

        func write(_ bytes: [UInt8], _ name: String) throws {
            try Data(bytes).write(to: url.appendingPathComponent(name))
        }
    }

    private func run(_ arguments: [String]) async throws -> (code: Int32, RunningProgram) {
        let program = try RunningProgram("exchequer", ["bisect"] + arguments)
        return (try await program.end(), program)
    }

    private func report(_ program: RunningProgram) throws -> Report {
        let line = try #require(program.lines.first, "\(program.errors)")
        return try JSONDecoder().decode(Report.self, from: Data(line.utf8))
    }

    private func evidence(_ stages: [Stage], in folder: Folder) throws {
        var pipeline = try LocalPipeline(
            stages: stages, prompt: [504, 5575, 282, 4649], outputs: 3)
        try pipeline.serve(chunk: 4)
        try folder.write(try pipeline.bundle().canonicalBytes(), "job.evidence")
    }

    @Test func theLiarsOperationIsNamed() async throws {
        let folder = Folder()
        try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let liar = try NodeFixture.tampered(layers: 12..<13)
        let cuts: [(UInt16, UInt16)] = [(0, 10), (10, 14), (14, 30)]
        var stages = try cuts.map { try NodeFixture.stage($0.0, $0.1) }
        stages[1] = try NodeFixture.stage(10, 14, of: liar)
        try evidence(stages, in: folder)
        try folder.write(try bytes(of: liar), "liar.gguf")
        let seed = { (number: UInt8) in
            Array(String(repeating: String(format: "%02x", number), count: 32).utf8)
        }
        try folder.write(seed(2), "accused")
        try folder.write(seed(9), "me")
        for name in ["accused", "me"] {
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o600], ofItemAtPath: folder.path(name))
        }
        let work = [
            folder.path("job.evidence"), "--model", try NodeFixture.modelPath(), "--model-name",
            "smollm2-135m",
        ]
        let (code, played) = try await run(
            ["play"] + work + [
                "--accused-model", folder.path("liar.gguf"), "--identity", folder.path("me"),
                "--accused-identity", folder.path("accused"), "--game", folder.path("game"),
                "--json",
            ])
        #expect(code == 4, "\(played.errors)")
        let found = try report(played)
        #expect(found.code == 834 && found.loser == "accused" && found.stage == 1)
        // Keys come first among what a tampered layer computes.
        #expect(found.operation == "key" && found.step == "layer 12" && found.rounds <= 10)
        #expect(found.accused_node == (try NodeFixture.key(2).publicKey.hex))

        // The referee has the game and nothing else.
        let (judged, referee) = try await run(["judge", folder.path("game"), "--json"])
        #expect(judged == 4)
        #expect(try report(referee).operation == "key")
        var game = Array(try Data(contentsOf: folder.url.appendingPathComponent("game")))
        game[game.count / 2] ^= 1
        try folder.write(game, "changed")
        #expect(try await run(["judge", folder.path("changed")]).code == 5)
        #expect(try await run(["judge", folder.path("nothing")]).code == 3)

        try await theSameMoveByMove(folder, work)
    }

    /// The parties apart, over one file.
    private func theSameMoveByMove(_ folder: Folder, _ work: [String]) async throws {
        let game = folder.path("apart")
        #expect(
            try await run(["open"] + work + ["--identity", folder.path("me"), "--game", game]).code
                == 0)
        #expect(try await run(["judge", game]).code == 5)
        // The challenger's own key cannot move for the accused.
        let liar = [
            folder.path("job.evidence"), "--model", folder.path("liar.gguf"), "--identity",
        ]
        #expect(try await run(["move", game] + liar + [folder.path("me")]).code == 5)
        #expect(try await run(["move", game] + liar + [folder.path("accused")]).code == 0)
        #expect(
            try await run(
                ["move", game, work[0], "--model", work[2], "--identity", folder.path("me")]
            ).code == 0)
        let (code, program) = try await run(["judge", game, "--json"])
        #expect(code == 5)
        #expect(try report(program).finding == "unfinished")
    }

    @Test func honestWorkIsNotDisputed() async throws {
        let folder = Folder()
        try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder.url) }
        try evidence([try NodeFixture.stage(0, 30)], in: folder)
        let (code, program) = try await run([
            "play", folder.path("job.evidence"), "--model", try NodeFixture.modelPath(),
            "--model-name", "smollm2-135m", "--accused-model", try NodeFixture.modelPath(),
            "--json",
        ])
        #expect(code == 0, "\(program.errors)")
        #expect(try report(program).finding == "reproduced")
    }

    /// The tampered file's bytes, made again.
    private func bytes(of liar: ModelFile) throws -> [UInt8] {
        var bytes = Array(try Data(contentsOf: URL(filePath: NodeFixture.modelPath())))
        for tensor in liar.file.tensors where tensor.type == .q4_1 {
            let range = tensor.offset..<tensor.offset + tensor.byteCount
            bytes.replaceSubrange(
                range, with: liar.file.copyBytes(tensor, offset: 0, count: tensor.byteCount))
        }
        return bytes
    }
}
