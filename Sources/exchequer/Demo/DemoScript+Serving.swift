import Foundation

/// The agent's prompts, and the node that leaves.
extension DemoScript {
    /// How a prompt is directed: to the three shards together, to one provider, or to whoever is
    /// cheapest (which is the liar, until it is caught).
    private func routing(_ index: Int) -> [String: Any]? {
        switch index % 7 {
        case 0, 3: ["only": DemoProvider.shards]
        case 5: ["only": ["oak"]]
        default: nil
        }
    }

    func sellInference() async throws {
        announce("an agent pays per token through the official openai client")
        let source = try Data(contentsOf: URL(fileURLWithPath: "\(harness)/prompts.json"))
        guard var prompts = try JSONSerialization.jsonObject(with: source) as? [[String: Any]]
        else { throw Supervisor.Failure(description: "prompts.json is not a list") }
        for index in prompts.indices {
            prompts[index]["provider"] = routing(index)
        }
        asked += try runAgent(
            "agent", prompts: prompts, deposit: DemoRules.deposit, tellsAll: true)
        let failed = asked.filter { !$0.ok }
        guard failed.isEmpty, asked.count >= 12 else {
            throw Supervisor.Failure(
                description: "\(failed.count) prompts failed: \(failed.first?.error ?? "")")
        }
    }

    func loseANode() async throws {
        announce("a node leaves in the middle of an answer")
        let prompt: [String: Any] = [
            "title": "interrupted story", "kind": "raw", "stream": true, "max_tokens": 96,
            "temperature": 0.7, "seed": 11,
            "prompt": "The old clockmaker opened the door of her workshop and found",
        ]
        var first = prompt
        first["provider"] = ["order": ["willow"], "allow_fallbacks": true, "ignore": ["thorn"]]
        let before = try await deliveredTokens()
        let leaving = try agent("leaving", prompts: [first], deposit: "0", tellsAll: false)
        async let answer = Task.detached { try leaving.run() }.value
        try await wait("willow to be in the middle of its answer", seconds: 120) {
            try await deliveredTokens() >= before + 8
        }
        supervisor.kill("willow")
        tell("willow was killed after \(try await deliveredTokens() - before) tokens")
        let interrupted = try await answer
        asked += interrupted
        var second = prompt
        second["title"] = "the same story, undisturbed"
        second["provider"] = ["only": ["oak"]]
        let undisturbed = try runAgent(
            "undisturbed", prompts: [second], deposit: "0", tellsAll: false)
        asked += undisturbed
        let job = try await house.jobs().first { $0.job == UInt64(interrupted[0].job ?? 0) }
        guard let job, job.attempt == 2, interrupted[0].ok else {
            throw Supervisor.Failure(
                description: "the interrupted answer did not go on: \(interrupted)")
        }
        guard interrupted[0].text == undisturbed[0].text,
            interrupted[0].completion_tokens == undisturbed[0].completion_tokens
        else {
            throw Supervisor.Failure(
                description: "the interrupted answer differs from the undisturbed one")
        }
        let by = job.pipeline.map(\.provider).joined(separator: ", ")
        tell(
            "the answer went on with \(by): \(interrupted[0].completion_tokens ?? 0) tokens, "
                + "the same as without the failure")
    }

    /// Tokens the house has delivered since it started.
    private func deliveredTokens() async throws -> Int {
        for line in try await house.text("/metrics").split(separator: "\n")
        where line.hasPrefix("exchequer_tokens_delivered_total") {
            if let count = line.split(separator: " ").last.flatMap({ Double($0) }) {
                return Int(count)
            }
        }
        return 0
    }

    /// Runs the agent to its end.
    func runAgent(
        _ name: String, prompts: [[String: Any]], deposit: String, tellsAll: Bool
    ) throws -> [AgentRequest] {
        try agent(name, prompts: prompts, deposit: deposit, tellsAll: tellsAll).run()
    }

    /// The agent with its prompts, ready to run.
    private func agent(
        _ name: String, prompts: [[String: Any]], deposit: String, tellsAll: Bool
    ) throws -> AgentRun {
        let data = try JSONSerialization.data(withJSONObject: prompts, options: [.sortedKeys])
        try data.write(to: URL(fileURLWithPath: path("\(name)-prompts.json")))
        return AgentRun(
            supervisor: supervisor, name: name, python: python,
            arguments: [
                "\(harness)/agent.py", "--base-url", house.base, "--rpc", rpc, "--contract",
                contracts.contract, "--usdc", contracts.usdc, "--private-key-file",
                path("agent.key"), "--prompts", path("\(name)-prompts.json"), "--deposit",
                deposit, "--out", path("\(name)-results.json"),
            ], results: path("\(name)-results.json"), tellsAll: tellsAll)
    }
}

/// One run of the agent, apart from the script so that it can run beside it.
private struct AgentRun: Sendable {
    let supervisor: Supervisor
    let name, python: String
    let arguments: [String]
    let results: String
    let tellsAll: Bool

    func run() throws -> [DemoScript.AgentRequest] {
        let tellsAll = tellsAll
        try supervisor.run(
            name, python, arguments, accepting: [0, 1],
            talk: { line in if tellsAll { Console.say("      \(line)") } })
        let data = try Data(contentsOf: URL(fileURLWithPath: results))
        return try JSONDecoder().decode(DemoScript.AgentResults.self, from: data).requests
    }
}
