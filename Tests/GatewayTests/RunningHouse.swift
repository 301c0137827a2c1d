import Clearing
import Cryptography
import Economics
import Foundation
import Gateway
import Logging
import Node
import Primitives
import Service
import ServiceLifecycle
import Storage
import Synchronization
import Testing
import Transport

/// A whole house with its HTTP server on a free port, on the real model, without a chain: tests
/// book what a chain would log themselves.
final class RunningHouse: Sendable {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    static let repository = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    let folder: URL
    let house: House
    let base: String
    private let group: ServiceGroup
    private let serving: Task<Void, any Error>
    private let block = Mutex<UInt64>(0)
    private let nodes = Mutex<[Task<Void, any Error>]>([])

    static func modelPath() throws -> String {
        let path = repository.appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path()
        guard FileManager.default.fileExists(atPath: path) else {
            throw Missing(description: "no model at \(path): run `make model` to fetch it")
        }
        return path
    }

    /// Rules under which everything is audited and windows are short.
    static var rules: Parameters {
        var rules = Parameters()
        rules.auditRatePerMillion = 1_000_000
        rules.challengeWindow = .seconds(60)
        rules.auditTimeout = .seconds(60)
        rules.appealWindow = .seconds(60)
        rules.minimumBond = Amount(20_000_000_000_000)
        return rules
    }

    private init(
        folder: URL, house: House, base: String, group: ServiceGroup,
        serving: Task<Void, any Error>
    ) {
        self.folder = folder
        self.house = house
        self.base = base
        self.group = group
        self.serving = serving
    }

    /// Runs `body` with a house that is stopped afterwards, whatever happens. On a busy machine a
    /// node can be silent for a second, so nodes are only doubted where `silence` is usual.
    static func with(
        rules: Parameters = rules, isImpatient: Bool = false, silence: UInt64 = 20_000,
        auditInterval: Duration = .seconds(3_600), weightPatience: Duration = .seconds(60),
        measureInterval: Duration = .seconds(3_600), folder: URL? = nil,
        _ body: (RunningHouse) async throws -> Void
    ) async throws {
        let place =
            folder
            ?? FileManager.default.temporaryDirectory
            .appending(path: "exchequer-house-\(UUID().uuidString)")
        var configuration = HouseConfiguration(
            folder: place.path(), models: [.init(path: try modelPath(), name: "smol")])
        configuration.parameters = rules
        if isImpatient {
            // Not shorter: honest nodes share two cores with all other tests.
            configuration.patience.ready = 6_000
            configuration.patience.step = 6_000
            configuration.patience.receipts = 4_000
        }
        configuration.patience.silence = silence
        configuration.auditInterval = auditInterval
        configuration.weightPatience = weightPatience
        configuration.measureInterval = measureInterval
        configuration.settlesByItself = false
        let running = try await start(configuration, place)
        do {
            try await body(running)
        } catch {
            await running.stop()
            if folder == nil { try? FileManager.default.removeItem(at: place) }
            throw error
        }
        await running.stop()
        if folder == nil { try? FileManager.default.removeItem(at: place) }
    }

    private static func start(
        _ configuration: HouseConfiguration, _ folder: URL
    ) async throws -> RunningHouse {
        var log = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
        log.logLevel = .critical
        let house = try await House.open(configuration, log: log)
        let (ports, sink) = AsyncStream.makeStream(of: Int.self)
        let app = Gateway(house: house, log: log)
            .application(host: "127.0.0.1", port: 0) { sink.yield($0) }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [app, house], logger: log))
        let serving = Task { try await group.run() }
        var port = 0
        for await ready in ports {
            port = ready
            break
        }
        return RunningHouse(
            folder: folder, house: house, base: "http://127.0.0.1:\(port)", group: group,
            serving: serving)
    }

    /// Stops the house as SIGTERM would, with its nodes still there.
    func stopHouse() async {
        await group.triggerGracefulShutdown()
        _ = await serving.result
    }

    func stop() async {
        for node in nodes.withLock({ $0 }) { node.cancel() }
        for node in nodes.withLock({ $0 }) { _ = await node.result }
        await stopHouse()
    }

    // MARK: Money and keys

    /// Books a log as if the chain had one.
    func observe(_ observation: ChainObservation) async throws {
        let number = block.withLock { block in
            block += 1
            return block
        }
        let place = ChainReference(
            chain: 0, block: number, logIndex: 0, blockHash: .zero, transaction: .zero)
        let outcome = try await house.sequencer.submit(.observeChain(place, observation))
        _ = try outcome.get()
    }

    static func account(_ number: UInt8) throws -> Secp256k1.PrivateKey {
        try #require(Secp256k1.PrivateKey([UInt8](repeating: number, count: 32)))
    }

    /// An account's EIP-191 signature of a text, in hexadecimal.
    static func signature(of text: String, by account: Secp256k1.PrivateKey) -> String {
        Hex.encode(account.sign(EIP191.digest(Array(text.utf8))).bytes)
    }

    /// A buyer with dollars and an API key, obtained as any buyer does.
    func buyer(_ number: UInt8 = 200, dollars: UInt128 = 5) async throws -> String {
        let account = try Self.account(number)
        if dollars > 0 {
            try await observe(
                .deposited(account: account.address, chainUnits: dollars * 1_000_000))
        }
        struct Challenge: Decodable { let message: String }
        struct Key: Decodable { let api_key: String }
        let address = account.address.hex
        let challenge: Challenge = try await call(
            "POST", "/v1/keys/challenge", json: "{\"address\":\"\(address)\"}"
        ).decoded()
        let body = try JSONSerialization.data(withJSONObject: [
            "address": address, "message": challenge.message,
            "signature": Self.signature(of: challenge.message, by: account),
        ])
        let key: Key = try await call(
            "POST", "/v1/keys", json: String(decoding: body, as: UTF8.self)
        ).decoded()
        return key.api_key
    }

    // MARK: Nodes

    /// Starts a real node of account `number` in this process and waits until it is online.
    func startNode(
        _ number: UInt8, name: String, layers: LayerRange? = nil, price: String = "0.10",
        offers: Bool = true, verifies: Bool = false, weights: String? = nil,
        upstream: String? = nil
    ) async throws {
        var configuration = try await nodeConfiguration(number, name: name)
        if offers {
            configuration.offers = [.init(layers: layers, inputPrice: price, outputPrice: price)]
        }
        configuration.isVerifier = verifies
        configuration.serveWeights = weights
        configuration.upstream = upstream.map { .init(url: $0) }
        let (ready, sink) = AsyncStream.makeStream(of: String.self)
        let runtime = NodeRuntime(configuration: configuration) { sink.yield($0.name) }
        let task = Task { try await runtime.run() }
        nodes.withLock { $0.append(task) }
        var waiting: Set = ["announced", "connected"]
        for await event in ready {
            waiting.remove(event)
            if waiting.isEmpty { break }
        }
        try await eventually("\(name) is online") {
            try await house.sequencer.read { house in
                house.party(named: name)?.nodes.contains { house.node($0)?.online == true } ?? false
            }
        }
    }

    /// What a bonded node of account `number` is told that offers nothing yet.
    func nodeConfiguration(_ number: UInt8, name: String) async throws -> NodeConfiguration {
        let account = try Self.account(number)
        try await observe(.bonded(account: account.address, chainUnits: 100_000_000))
        let keyFile = folder.appending(path: "\(name).key").path()
        try SecretFile.create(keyFile, account.bytes)
        var configuration = NodeConfiguration(
            house: base, identityFile: folder.appending(path: "\(name).identity").path(),
            keyFile: keyFile, modelPath: try Self.modelPath())
        configuration.threads = 1
        configuration.name = name
        return configuration
    }

    // MARK: HTTP

    func call(
        _ method: String, _ path: String, json: String? = nil, bearer: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> HTTPResponse {
        var request = HTTPRequest(method: method, url: base + path)
        request.timeout = .seconds(120)
        if let json {
            request.body = Array(json.utf8)
            request.headers.append((name: "Content-Type", value: "application/json"))
        }
        if let bearer {
            request.headers.append((name: "Authorization", value: "Bearer \(bearer)"))
        }
        request.headers += headers.map { (name: $0.0, value: $0.1) }
        return try await HTTPClient.shared.send(request)
    }

    /// A request that a node signs.
    func signed(
        _ signer: RequestSigner, _ method: String, _ path: String, json: String? = nil
    ) async throws -> HTTPResponse {
        let headers = signer.headers(
            method: method, path: path, body: Array((json ?? "").utf8))
        return try await call(
            method, path, json: json, headers: headers.map { ($0.name, $0.value) })
    }

    var operatorToken: String {
        get throws {
            let file = House.operatorTokenFile(in: folder.path())
            return Hex.encode(try SecretFile.read(file))
        }
    }

    func job(_ id: UInt64) async throws -> Job {
        try #require(try await house.sequencer.read { $0.job(JobID(id)) })
    }
}

/// Waits until `condition` holds, for up to half a minute.
func eventually(
    _ what: String, _ condition: () async throws -> Bool
) async throws {
    for _ in 0..<600 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    throw RunningHouse.Missing(description: "it never came to this: \(what)")
}

extension HTTPResponse {
    /// The body as JSON of this shape.
    func decoded<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        guard head.isSuccess else {
            throw RunningHouse.Missing(description: "status \(status): \(text)")
        }
        return try JSONDecoder().decode(type, from: Data(body))
    }

    /// The body as an error of the API.
    func failure() throws -> Failure.Inner {
        try JSONDecoder().decode(Failure.self, from: Data(body)).error
    }
}

/// The API's error shape.
struct Failure: Decodable {
    struct Inner: Decodable {
        let message, type, code: String
        let param: String?
        let rejection: UInt16?
    }
    let error: Inner
}

/// A whole completion.
struct Completion: Decodable {
    struct Choice: Decodable {
        struct Message: Decodable {
            let role: String?
            let content: String?
        }
        let text: String?
        let message: Message?
        let delta: Message?
        let finish_reason: String?
        let logprobs: Logprobs?
    }
    /// Those of chats and of plain completions.
    struct Logprobs: Decodable, Sendable {
        struct Token: Decodable, Hashable, Sendable {
            let token: String
            let logprob: Double
            let bytes: [UInt8]
            let top_logprobs: [Token]?
        }
        let content: [Token]?
        let tokens: [String]?
        let token_logprobs: [Double]?
        let top_logprobs: [[String: Double]]?
        let text_offset: [Int]?
    }
    struct Usage: Decodable {
        let prompt_tokens, completion_tokens, total_tokens: Int
    }
    struct House: Decodable {
        let job: UInt64
        let cost: String
        let providers: [String]
        let attempt: Int
        let numerics: String
    }
    let object: String
    let choices: [Choice]
    let usage: Usage?
    let exchequer: House?

    /// The text, wherever it stands.
    var text: String {
        choices.map { $0.text ?? $0.message?.content ?? $0.delta?.content ?? "" }.joined()
    }

    /// The chunks of a stream; throws if it does not end as it should.
    static func chunks(_ response: HTTPResponse) throws -> [Completion] {
        let lines = response.text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
        guard response.status == 200, lines.last == "data: [DONE]" else {
            throw RunningHouse.Missing(description: "status \(response.status): \(response.text)")
        }
        return try lines.dropLast().map { line in
            try JSONDecoder().decode(Completion.self, from: Data(line.dropFirst(6).utf8))
        }
    }
}
