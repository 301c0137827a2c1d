import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Synchronization
import Transport

/// Rings of stages in this process with 10 ms one way on every edge, beside the same model run
/// locally with all threads. The stages have one thread each, as they share the machine.
struct PipelineBench {
    let model: String
    let runs: Int
    private let tokens = 192
    private let streams = 8

    /// What is asked.
    private struct Load {
        let prompt: [Int32]
        let sampling: SamplingParameters
    }

    private struct Sample {
        var rate: Double
        var right = 0
        var guessed = 0
    }

    /// Every row; `say` gets a line before each.
    func rows(say: (String) -> Void) async throws -> [BenchRow] {
        let file = try ModelArgument.open(model)
        let layers = UInt16(file.architecture.layers)
        guard layers >= 2 else { throw BenchError.unexpected("one layer cannot be divided") }
        let half = layers / 2
        let root = file.manifest().root
        let whole = try Generator(model: file)
        let first = try stage(file, 0, half)
        let second = try stage(file, half, layers)
        let novel = Load(
            prompt: try file.tokenizer.encode(Self.novel, addSpecial: true),
            sampling: SamplingParameters(temperature: 1, seed: 11))
        let novels = (0..<streams).map {
            Load(
                prompt: novel.prompt,
                sampling: SamplingParameters(temperature: 1, seed: 11 + UInt64($0)))
        }
        let copies = try (0..<streams).map {
            Load(
                prompt: try file.tokenizer.encode(Self.copied($0), addSpecial: true),
                sampling: .greedy)
        }
        let remote = try await BenchRing(file, root, nil, [first, second])
        let shared = try await BenchRing(file, root, first, [second])
        var rows: [BenchRow] = []
        func add(
            _ name: String, _ ring: BenchRing, _ loads: [Load],
            _ options: ClusterOptions = ClusterOptions()
        ) async throws {
            say("pipeline, \(name)")
            var (own, local): ([Sample], [Sample]) = ([], [])
            for _ in 0..<runs {
                own.append(try await rate(ring.head, loads, options))
                local.append(try await rate(whole, loads))
            }
            let middle = own.sorted { $0.rate < $1.rate }[runs / 2]
            if middle.guessed > 0 {
                say("  \(middle.right) of \(middle.guessed) guesses right")
            }
            let there = local.map(\.rate).sorted()[runs / 2]
            rows.append(
                BenchRow(name: name, value: middle.rate, unit: "tokens/s")
                    .against("local, \(whole.stage.threads) threads", there))
        }
        try await add("2 remote stages, novel text, no guesses", remote, [novel], .plain)
        try await add("2 remote stages, novel text", remote, [novel])
        try await add("2 remote stages, novel text, \(streams) streams", remote, novels)
        try await add("half remote, novel text, no guesses", shared, [novel], .plain)
        try await add("half remote, novel text", shared, [novel])
        try await add("half remote, copied text", shared, [copies[0]])
        try await add("half remote, copied text, \(streams) streams", shared, copies)
        return rows
    }

    private func stage(_ file: ModelFile, _ first: UInt16, _ end: UInt16) throws -> Stage {
        guard let layers = LayerRange(first, end) else { throw BenchError.unexpected("no layers") }
        return try Stage(model: file, layers: layers, threads: 1)
    }

    /// Tokens a second of all requests together, from the first token of the first.
    private func rate(
        _ head: ClusterHead, _ loads: [Load], _ options: ClusterOptions
    ) async throws -> Sample {
        let tally = Tally()
        let answers = try await withThrowingTaskGroup(of: ClusterAnswer.self) { group in
            for load in loads {
                group.addTask {
                    try await head.generate(
                        prompt: load.prompt, parameters: load.sampling, maxTokens: tokens,
                        options: options
                    ) { _ in
                        tally.count()
                        return true
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        return Sample(
            rate: tally.rate, right: answers.reduce(0) { $0 + $1.counts.right },
            guessed: answers.reduce(0) { $0 + $1.counts.guessed })
    }

    /// The same on this machine alone: several requests share the passes, one has the engine.
    private func rate(_ generator: Generator, _ loads: [Load]) async throws -> Sample {
        let tally = Tally()
        let count: @Sendable (Int32) -> Bool = { _ in
            tally.count()
            return true
        }
        let batch = BatchGenerator(stage: generator.stage, running: loads.count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for load in loads {
                group.addTask {
                    guard loads.count == 1 else {
                        _ = try await batch.generate(
                            prompt: load.prompt, parameters: load.sampling, maxTokens: tokens,
                            onToken: count)
                        return
                    }
                    try await onThread {
                        _ = try generator.generate(
                            prompt: load.prompt, parameters: load.sampling, maxTokens: tokens,
                            onToken: count)
                    }
                }
            }
            try await group.waitForAll()
        }
        return Sample(rate: tally.rate)
    }

    /// Runs what blocks on a thread of its own.
    private func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    /// A text that goes on with something new.
    private static let novel = "The old lighthouse keeper opened the door and saw"

    /// The beginning of a text for the third time; each number has a text of its own.
    private static func copied(_ number: Int) -> String {
        let names = ["oak", "elm", "ash", "fir", "yew", "box", "bay", "fig"]
        let name = names[number % names.count]
        let lines = (1...12).map { line in
            "set \(name)_\(line) = read(\"\(name)/\(line * (number + 3)).txt\", limit: \(line * 7))"
        }
        let text = lines.joined(separator: "\n")
        return text + "\n\n" + text + "\n\n" + lines[0] + "\n"
    }

    /// Counts tokens and the time from the first to the last.
    private final class Tally: Sendable {
        private let state = Mutex((first: ContinuousClock.now, last: ContinuousClock.now, count: 0))

        func count() {
            state.withLock { state in
                state.last = .now
                if state.count == 0 { state.first = state.last }
                state.count += 1
            }
        }

        var rate: Double {
            state.withLock { state in
                let time = (state.last - state.first) / .seconds(1)
                return time > 0 ? Double(state.count - 1) / time : 0
            }
        }
    }
}

/// A ring in this process, with a modelled wire on every edge.
private final class BenchRing: Sendable {
    let head: ClusterHead
    private let stages: [ClusterStage]
    private let proxies: [WireProxy]

    init(_ model: ModelFile, _ root: Digest, _ first: Stage?, _ served: [Stage]) async throws {
        func key() throws -> Ed25519.PrivateKey {
            guard let key = Ed25519.PrivateKey(seed: Entropy.bytes(32)) else {
                throw BenchError.unexpected("32 bytes are a seed")
            }
            return key
        }
        var wire = WireModel()
        wire.latency = .milliseconds(10)
        let identity = try key()
        let keys = try served.map { _ in try key() }
        let peers = Set(keys.map(\.publicKey) + [identity.publicKey])
        var (stages, proxies, route): ([ClusterStage], [WireProxy], [RingOpen.Hop]) = ([], [], [])
        for (stage, key) in zip(served, keys) {
            let running = try await ClusterStage.start(
                stage: stage, model: root, identity: key, peers: peers)
            let proxy = try await WireProxy.start(to: running.port, model: wire)
            route.append(
                RingOpen.Hop(key: key.publicKey, address: "127.0.0.1:\(proxy.port)"))
            stages.append(running)
            proxies.append(proxy)
        }
        (self.stages, self.proxies) = (stages, proxies)
        head = try await ClusterHead.connect(
            model: model, root: root, stage: first, route: route, identity: identity)
    }

    deinit {
        head.close()
        for stage in stages { stage.stop() }
        for proxy in proxies { proxy.stop() }
    }
}
