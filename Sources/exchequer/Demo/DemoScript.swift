import Foundation

/// The demo, step by step. Each step is a few commands; what they say is in the logs.
final class DemoScript {
    let supervisor: Supervisor
    let folder: String
    let model: String
    let python: String
    let harness: String
    private let started = Date()
    private var step = 0

    var rpc = ""
    var solana = DemoSolana(rpc: "", mint: "")
    var contracts = Contracts(contract: "", usdc: "", tly: "")
    var house = DemoHouseClient(base: "", operatorToken: "")
    var asked: [AgentRequest] = []
    var claimed: [String: [String: String]] = [:]

    /// What `exchequer contracts deploy` prints.
    struct Contracts: Decodable {
        let contract: String
        let usdc: String
        let tly: String
    }

    /// What `serve` writes when it is ready.
    struct Ready: Decodable {
        let http: String
        let operator_token_file: String
    }

    /// One request in the agent's results.
    struct AgentRequest: Decodable, Sendable {
        let title: String
        let ok: Bool
        let error: String?
        let job: Int?
        let text: String
        let completion_tokens: Int?
        let cost: String?
        let seconds: Double
    }

    struct AgentResults: Decodable {
        let requests: [AgentRequest]
    }

    init(
        supervisor: Supervisor, folder: String, model: String, python: String, harness: String
    ) {
        self.supervisor = supervisor
        self.folder = folder
        self.model = model
        self.python = python
        self.harness = harness
    }

    func play() async throws {
        try startChain()
        try startSolana()
        try await startHouse()
        try await startProviders()
        try await sellInference()
        try await loseANode()
        try await verify()
        try await settle()
        try await claim()
        try await checkSolana()
        try checkBalances()
        let rows = try await tableRows()
        try await audit()
        try runPrivateCluster()
        finish(rows)
    }

    // MARK: Saying and waiting

    /// Announces a step.
    func announce(_ text: String) {
        step += 1
        let seconds = Int(Date().timeIntervalSince(started))
        Console.say("\n[\(step)/10 +\(seconds)s] \(text)")
    }

    /// Says what happened within a step.
    func tell(_ text: String) { Console.say("      \(text)") }

    /// Waits until `condition` holds, asking ten times a second.
    func wait(
        _ what: String, seconds: Double = 60, for condition: () async throws -> Bool
    ) async throws {
        let deadline = Date().addingTimeInterval(seconds)
        while Date() < deadline {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Supervisor.Failure(description: "gave up after \(Int(seconds)) s: \(what)")
    }

    /// A path in the demo's folder.
    func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// This executable.
    var exchequer: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        return own ?? CommandLine.arguments[0]
    }

    /// Runs one of our own commands and gives its output.
    @discardableResult
    func command(_ name: String, _ arguments: [String]) throws -> String {
        try supervisor.run(name, exchequer, arguments)
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
    }

    func read<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(
            Value.self, from: Data(contentsOf: URL(fileURLWithPath: path(name))))
    }
}
