import Chains
import Clearing
import Cryptography
import Foundation
import Gateway
import Inference
import Logging
import Primitives
import Service
import ServiceLifecycle
import Synchronization
import Transport

/// How long an answer stands still when a node of its pipeline is lost: a house and nodes as
/// processes of their own, three stages, the middle one lost in the middle of the answer.
struct ResumeBench {
    let model: String
    let runs: Int

    private enum Loss: String, CaseIterable {
        /// Its connections end with it.
        case killed
        /// Its connections stay, and nothing comes any more.
        case hung

        var signal: Int32 { self == .killed ? SIGKILL : SIGSTOP }
    }

    private static let tokens: UInt32 = 96
    private static let buyer: UInt8 = 200

    /// One row for each way to be lost; `say` gets a line before each.
    func rows(say: (String) -> Void) async throws -> [BenchRow] {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("exchequer-bench-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        var log = Logger(label: "bench") { StreamLogHandler.standardError(label: $0) }
        log.logLevel = .critical
        var configuration = HouseConfiguration(
            folder: folder.path, models: [.init(path: model, name: "model")])
        configuration.settlesByItself = false
        configuration.auditInterval = .seconds(3_600)
        let house = try await House.open(configuration, log: log)
        let (ports, sink) = AsyncStream.makeStream(of: Int.self)
        let app = Gateway(house: house, log: log)
            .application(host: "127.0.0.1", port: 0) { sink.yield($0) }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [app, house], logger: log))
        let serving = Task { try await group.run() }
        let nodes = Supervisor(logs: folder)
        do {
            var port = ports.makeAsyncIterator()
            let url = "http://127.0.0.1:\(await port.next() ?? 0)"
            let cast = Cast(house: house, url: url, model: model, folder: folder, nodes: nodes)
            let rows = try await measure(cast, say)
            nodes.stopAll()
            await group.triggerGracefulShutdown()
            _ = await serving.result
            return rows
        } catch {
            nodes.stopAll()
            await group.triggerGracefulShutdown()
            _ = await serving.result
            throw error
        }
    }

    private func measure(_ cast: Cast, _ say: (String) -> Void) async throws -> [BenchRow] {
        guard let layers = cast.house.models.model(named: "model")?.manifest.layers, layers >= 3
        else { throw BenchError.unexpected("a pipeline of three stages needs three layers") }
        let cuts = [0, layers / 3, 2 * layers / 3, layers]
        func range(_ stage: Int) -> String { "\(cuts[stage])..<\(cuts[stage + 1])" }
        try await cast.observe(
            .deposited(account: try cast.account(Self.buyer).address, chainUnits: 5_000_000))
        try await cast.start(1, layers: range(0))
        try await cast.start(2, layers: range(2))
        var rows: [BenchRow] = []
        var number: UInt8 = 10
        // Of equal offers the oldest is matched: each takes over from the one before it.
        var process = try await cast.start(number, layers: range(1))
        for (loss, isHot) in Loss.allCases.map({ ($0, false) }) + [(.killed, true)] {
            let name = loss.rawValue + (isHot ? ", hot spare" : "")
            say("an answer whose middle stage is \(name)")
            var (pauses, steps): ([Double], [Double]) = ([], [])
            for _ in 0..<runs {
                let (doomed, spare) = (process, number + 1)
                process = try await cast.start(spare, layers: range(1), standsIn: isHot)
                let gaps = try await answer(cast, number) {
                    kill(doomed.processIdentifier, loss.signal)
                }
                kill(doomed.processIdentifier, SIGKILL)
                doomed.waitUntilExit()
                try await cast.waitUntilOffline(number)
                number = spare
                pauses.append(gaps.max() ?? 0)
                steps.append(gaps.sorted()[gaps.count / 2])
            }
            rows.append(
                BenchRow(
                    name: "longest pause, middle of 3 stages \(name)",
                    value: pauses.sorted()[runs / 2], unit: "ms"
                ).against("between tokens", steps.sorted()[runs / 2]))
        }
        return rows
    }

    /// Milliseconds between the tokens of one answer; `lose` is called after a third of them.
    private func answer(
        _ cast: Cast, _ number: UInt8, lose: () -> Void
    ) async throws -> [Double] {
        guard let served = cast.house.models.model(named: "model") else { return [] }
        let prompt = try served.file.tokenizer.encode(
            String(repeating: "The keeper of the ledger wrote every number twice. ", count: 32))
        let buyer = try cast.account(Self.buyer).address
        let party = try await cast.house.sequencer.read { house in
            house.parties.first { $0.address == buyer }?.id
        }
        guard let party else { throw BenchError.unexpected("the buyer is not in the books") }
        let running = try await cast.house.jobs.start(
            JobRequest(
                buyer: party, request: UInt128(number), model: served, prompt: prompt,
                maxTokens: Self.tokens, sampling: .greedy))
        let clock = ContinuousClock()
        var gaps: [Double] = []
        var last: ContinuousClock.Instant?
        for await output in running.outputs {
            switch output {
            case .text:
                let now = clock.now
                if let last { gaps.append((now - last) / .milliseconds(1)) }
                last = now
                if gaps.count == Int(Self.tokens) / 3 { lose() }
            case .done(let result):
                guard result.attempt == 2 else {
                    throw BenchError.unexpected("the answer took \(result.attempt) attempts")
                }
            case .failed(let failure): throw BenchError.unexpected("no answer: \(failure)")
            }
        }
        return gaps
    }
}

extension ResumeBench {
    /// The house's nodes, each a process and an account of its own.
    struct Cast {
        let house: House
        let url: String
        let model: String
        let folder: URL
        let nodes: Supervisor
        private let blocks = Box()

        private final class Box: Sendable {
            let last = Mutex<UInt64>(0)
        }

        init(house: House, url: String, model: String, folder: URL, nodes: Supervisor) {
            self.house = house
            self.url = url
            self.model = model
            self.folder = folder
            self.nodes = nodes
        }

        func account(_ number: UInt8) throws -> Secp256k1.PrivateKey {
            guard let key = Secp256k1.PrivateKey([UInt8](repeating: number, count: 32)) else {
                throw BenchError.unexpected("\(number) is no key")
            }
            return key
        }

        /// Books a log as if the chain had one.
        func observe(_ observation: ChainObservation) async throws {
            let block = blocks.last.withLock { last in
                last += 1
                return last
            }
            let place = ChainReference(
                chain: 0, block: block, logIndex: 0, blockHash: .zero, transaction: .zero)
            _ = try await house.sequencer.submit(.observeChain(place, observation)).get()
        }

        /// Starts a bonded node and waits until it has an offer and is online.
        @discardableResult
        func start(
            _ number: UInt8, layers: String, standsIn: Bool = false
        ) async throws -> Process {
            let account = try account(number)
            try await observe(.bonded(account: account.address, chainUnits: 100_000_000))
            let keyFile = folder.appendingPathComponent("\(number).key").path
            try SecretFile.create(keyFile, account.bytes)
            let process = try nodes.start(
                "node-\(number)", "/proc/self/exe",
                [
                    "node", "--house", url, "--model", model, "--key-file", keyFile,
                    "--identity", folder.appendingPathComponent("\(number).identity").path,
                    "--layers", layers, "--threads", "1",
                ] + (standsIn ? ["--stand-in"] : []))
            try await wait("node \(number) is online") { house in
                house.parties.first { $0.address == account.address }?.nodes.contains { id in
                    house.node(id)?.online == true
                        && house.offers.contains { $0.draft.node == id }
                } ?? false
            }
            return process
        }

        func waitUntilOffline(_ number: UInt8) async throws {
            let address = try account(number).address
            try await wait("node \(number) is offline") { house in
                let party = house.parties.first { $0.address == address }
                return party?.nodes.allSatisfy { house.node($0)?.online == false } ?? false
            }
        }

        private func wait(
            _ what: String, until condition: @escaping @Sendable (borrowing ClearingHouse) -> Bool
        ) async throws {
            for _ in 0..<1_200 {
                if try await house.sequencer.read(condition) { return }
                try await Task.sleep(for: .milliseconds(50))
            }
            throw BenchError.unexpected("\(what): not within a minute")
        }
    }
}
