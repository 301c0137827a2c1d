import Chains
import Cryptography
import Logging
import Primitives
import Synchronization

/// What the transaction manager tells people: the log's lines, and what is unknown for long.
final class ManagerNotes: Sendable {
    private let metrics: HouseMetrics
    private let log: Logger
    private let state = Mutex(State())

    private struct State {
        /// What each intent is for.
        var names: [Digest: String] = [:]
        var unknown: Set<Digest> = []
        /// What the signer's policy refuses, by its name.
        var declined: Set<String> = []
    }

    init(metrics: HouseMetrics, log: Logger) {
        self.metrics = metrics
        self.log = log
    }

    /// Intents that have been on their way for long and may or may not be carried out.
    var unknownCount: Int { state.withLock { $0.unknown.count } }

    /// What the signer's policy refuses and what is tried again, in the order of their names.
    var declined: [String] { state.withLock { $0.declined.sorted() } }

    func isUnknown(_ id: Digest) -> Bool { state.withLock { $0.unknown.contains(id) } }

    func name(_ id: Digest, _ name: String) { state.withLock { $0.names[id] = name } }

    private func name(of id: Digest) -> String {
        state.withLock { $0.names[id] } ?? "intent \(id.hex)"
    }

    /// Says what became of an intent. The books do not follow it but the contract's logs.
    func report(_ id: Digest, _ outcome: EVMIntentOutcome) -> Bool {
        let name = name(of: id)
        state.withLock { state in
            if outcome == .unknown { state.unknown.insert(id) } else { state.unknown.remove(id) }
            if outcome.isEnd { state.names[id] = nil }
        }
        if case .failed(.declined(let words)) = outcome {
            noteDeclined(name, words)
            return true
        }
        if outcome.isEnd { state.withLock { _ = $0.declined.remove(name) } }
        switch outcome {
        case .submitted(let transaction):
            log.info("\(name) is on its way", metadata: ["transaction": "0x\(transaction.hex)"])
        case .settled(let inclusion):
            log.info(
                "\(name) settled",
                metadata: [
                    "transaction": "0x\(inclusion.transaction.hex)",
                    "block": "\(inclusion.blockNumber)", "gas": "\(inclusion.gasUsed)",
                ])
        case .failed(let failure):
            metrics.chainFailed()
            log.error("\(name) failed", metadata: ["why": "\(failure)"])
        case .unknown:
            log.warning("the outcome of \(name) is unknown; the chain will tell")
        }
        return true
    }

    /// Says once that the signer refuses something, however often it is tried again.
    private func noteDeclined(_ name: String, _ words: String) {
        guard state.withLock({ $0.declined.insert(name).inserted }) else { return }
        metrics.chainFailed()
        log.error(
            """
            the signer refuses \(name): its policy has to be widened; it is tried again now and \
            then, and holds nothing else up
            """, metadata: ["why": "\(words)"])
    }

    func alert(_ alert: EVMManagerAlert) {
        switch alert {
        case .opened(.deepReorg), .opened(.keyUsedElsewhere):
            log.critical(
                "nothing new is sent until a person has looked and said so",
                metadata: ["why": "\(alert)"])
        case .opened(.nodesUnreachable):
            metrics.chainFailed()
            log.warning("settlement waits for the chain", metadata: ["why": "\(alert)"])
        case .notSigned(let key, let nonce, let failure):
            metrics.chainFailed()
            log.error(
                "settlement waits for a signature",
                metadata: [
                    "key": "\(key.checksummed)", "nonce": "\(nonce)", "why": "\(failure)",
                ])
        case .laneDrained(let key):
            log.notice(
                "a key of before has nothing under way: it is no longer needed",
                metadata: ["key": "\(key.checksummed)"])
        case .opened(.dayLimit(let key)):
            log.warning(
                "settlement waits for tomorrow: the key has spent what it may in a day",
                metadata: ["key": "\(key.checksummed)"])
        case .closed: log.notice("settlement goes on", metadata: ["alert": "\(alert)"])
        default: log.warning("settlement", metadata: ["alert": "\(alert)"])
        }
    }
}

extension EVMIntentOutcome {
    fileprivate var isEnd: Bool {
        switch self {
        case .settled, .failed: true
        case .submitted, .unknown: false
        }
    }
}
