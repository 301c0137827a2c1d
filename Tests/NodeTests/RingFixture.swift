import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Testing
import Transport

/// Rings of the real model on 127.0.0.1, with a modelled wire on every edge.
enum RingFixture {
    static let root = Result { try NodeFixture.manifest.get().root }
    /// Stages that tests share, by their layers; each is prepared once.
    static let whole = Result { try NodeFixture.stage(0, 30) }
    static let lower = Result { try NodeFixture.stage(0, 14) }
    static let upper = Result { try NodeFixture.stage(14, 30) }
    static let start = Result { try NodeFixture.stage(0, 7) }
    static let centre = Result { try NodeFixture.stage(7, 14) }

    static let generator = Result { try Generator(model: NodeFixture.model.get(), threads: 2) }

    static func text(_ prompt: String) throws -> [Int32] {
        try NodeFixture.model.get().tokenizer.encode(prompt, addSpecial: true)
    }

    /// A text whose continuation repeats it.
    static let copied: String = {
        let lines = (1...6).map { "set oak_\($0) = read(\"oak/\($0 * 3).txt\", limit: \($0 * 7))" }
        let text = lines.joined(separator: "\n")
        return text + "\n\n" + text + "\n\n" + lines[0] + "\n"
    }()
}

/// A running ring: stages with identities of their own, and a head.
final class Ring: Sendable {
    let head: ClusterHead
    let stages: [ClusterStage]
    let proxies: [WireProxy]
    let identity: Ed25519.PrivateKey
    let route: [RingOpen.Hop]

    /// - Parameters:
    ///   - first: the head's own stage, if it has one.
    ///   - served: the stages after it.
    ///   - wire: what lies on each edge; none for a plain connection.
    init(
        _ first: Stage? = nil, _ served: [Stage], wire: WireModel? = nil,
        limits: RingLimits = RingLimits(), root: Digest? = nil
    ) async throws {
        let model = try root ?? RingFixture.root.get()
        identity = try NodeFixture.key(100)
        let keys = try served.indices.map { try NodeFixture.key(UInt8(101 + $0)) }
        let peers = Set(keys.map(\.publicKey) + [identity.publicKey])
        var (stages, proxies, route): ([ClusterStage], [WireProxy], [RingOpen.Hop]) = ([], [], [])
        for (stage, key) in zip(served, keys) {
            let running = try await ClusterStage.start(
                stage: stage, model: model, identity: key, peers: peers, limits: limits)
            stages.append(running)
            var port = running.port
            if let wire {
                proxies.append(try await WireProxy.start(to: port, model: wire))
                port = proxies[proxies.count - 1].port
            }
            route.append(.init(key: key.publicKey, address: "127.0.0.1:\(port)"))
        }
        (self.stages, self.proxies, self.route) = (stages, proxies, route)
        // Every other test runs at the same time.
        head = try await ClusterHead.connect(
            model: served[0].model, root: model, stage: first, route: route, identity: identity,
            patience: .seconds(60))
    }

    deinit {
        head.close()
        for stage in stages { stage.stop() }
        for proxy in proxies { proxy.stop() }
    }

    /// A link of one's own to a stage, to say what the head would not say.
    func stranger(
        to place: Int, as identity: Ed25519.PrivateKey? = nil
    ) async throws -> SecureLink {
        try await SecureLink.connect(
            host: "127.0.0.1", port: stages[place].port, identity: identity ?? self.identity,
            expecting: route[place].key)
    }
}

/// A source that knows the answer and lies at chosen places.
struct Liar: DraftSource {
    private let truth: [Int32]
    private let lies: @Sendable (Int) -> Bool
    private var count = 0

    /// - Parameters:
    ///   - truth: prompt and answer.
    ///   - lies: whether the guess for a position is wrong.
    init(_ truth: [Int32], lies: @escaping @Sendable (Int) -> Bool) {
        self.truth = truth
        self.lies = lies
    }

    mutating func append(_ tokens: [Int32]) { count += tokens.count }

    mutating func draft(after pending: [Int32], count wanted: Int) -> [Int32] {
        let start = count + pending.count
        return (start..<start + wanted).map { position in
            let true_ = position < truth.count ? truth[position] : 1
            return lies(position) ? (true_ + 1) % 49_152 : true_
        }
    }

    var evidence: Int { 5 }
    var isSlow: Bool { false }
}
