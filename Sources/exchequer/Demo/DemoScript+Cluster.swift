import Foundation

/// The same model over machines of one's own, without a house.
extension DemoScript {
    private struct Key: Decodable {
        let node: String
    }

    private struct Serving: Decodable {
        let port: Int
    }

    /// What `cluster run` and `model generate` print.
    private struct Answer: Decodable {
        let tokens: [Int32]
        let tokensPerSecond: Double
    }

    func runPrivateCluster() throws {
        announce("a private cluster: two machines of one's own, no market")
        let head = try newKey("cluster-head")
        let stage = try newKey("cluster-stage")
        let line = try supervisor.startListening(
            "cluster-stage", exchequer,
            [
                "cluster", "serve", "--model", model, "--layers", "15..<30", "--identity",
                path("cluster-stage.key"), "--peer", head, "--json",
            ])
        let port = try JSONDecoder().decode(Serving.self, from: Data(line.utf8)).port
        let question = [
            "--max-tokens", "64", "--temperature", "0.7", "--seed", "11", "--json",
            "The old clockmaker opened the door of her workshop and found",
        ]
        let ring = try answer(
            "cluster-head",
            [
                "cluster", "run", "--model", model, "--layers", "0..<15", "--identity",
                path("cluster-head.key"), "--route", "127.0.0.1:\(port)=\(stage)",
            ] + question)
        supervisor.stop("cluster-stage")
        let alone = try answer("alone", ["model", "generate", model] + question)
        guard !ring.tokens.isEmpty, ring.tokens == alone.tokens else {
            throw Supervisor.Failure(description: "the cluster answered something else")
        }
        tell(
            "head and stage, linked directly: \(ring.tokens.count) tokens at "
                + "\(Int(ring.tokensPerSecond)) a second, the same as one machine alone "
                + "(\(Int(alone.tokensPerSecond)))")
    }

    private func newKey(_ name: String) throws -> String {
        let output = try command(name, ["keys", "new", path("\(name).key"), "--json"])
        return try JSONDecoder().decode(Key.self, from: Data(output.utf8)).node
    }

    private func answer(_ name: String, _ arguments: [String]) throws -> Answer {
        try JSONDecoder().decode(Answer.self, from: Data(try command(name, arguments).utf8))
    }
}
