import Chains
import Logging
import Primitives
import Synchronization

/// What the payout manager on Solana tells people: the log's lines, and what is unknown for long.
final class SolanaNotes: Sendable {
    private let metrics: HouseMetrics
    private let log: Logger
    private let state = Mutex(State())

    private struct State {
        var names: [Digest: String] = [:]
        var unknown: Set<Digest> = []
    }

    init(metrics: HouseMetrics, log: Logger) {
        self.metrics = metrics
        self.log = log
    }

    /// Payments that have been on their way for long and may or may not be carried out.
    var unknownCount: Int { state.withLock { $0.unknown.count } }

    func isUnknown(_ id: Digest) -> Bool { state.withLock { $0.unknown.contains(id) } }

    /// Forgets payments that are over.
    func forget(_ ids: [Digest]) {
        state.withLock { state in for id in ids { state.names[id] = nil } }
    }

    func name(_ id: Digest, _ name: String) { state.withLock { $0.names[id] = name } }

    /// Says what became of a payment; the books look for themselves.
    func report(_ id: Digest, _ outcome: SolanaPayoutOutcome) -> Bool {
        let name = state.withLock { state in
            if outcome == .unknown { state.unknown.insert(id) } else { state.unknown.remove(id) }
            let name = state.names[id] ?? "payment \(id)"
            switch outcome {
            case .settled, .cancelled: state.names[id] = nil
            case .submitted, .quarantined, .unknown: break
            }
            return name
        }
        switch outcome {
        case .submitted(let transaction):
            log.info(
                "\(name) is on its way", metadata: ["transaction": "\(Self.text(transaction))"])
        case .settled(let transaction, let slot):
            log.info(
                "\(name) settled",
                metadata: ["transaction": "\(Self.text(transaction))", "slot": "\(slot)"])
        case .quarantined(let reason):
            log.warning("\(name) cannot be received", metadata: ["why": "\(reason)"])
        case .unknown:
            log.warning("the outcome of \(name) is unknown; the chain will tell")
        case .cancelled: log.notice("\(name) was called off")
        }
        return true
    }

    func alert(_ alert: SolanaManagerAlert) {
        switch alert {
        case .accountsMade(let transaction):
            log.info(
                "token accounts were made", metadata: ["transaction": "\(Self.text(transaction))"])
        case .opened(.nodesUnreachable):
            metrics.chainFailed()
            log.warning("Solana's payouts wait for the cluster")
        case .opened(.dayLimit):
            log.warning("Solana's payouts wait for tomorrow: a day's may cost no more")
        case .notSigned(let why):
            log.warning("Solana's payouts wait for a signature", metadata: ["why": "\(why)"])
        case .tooOld(let transaction):
            log.critical(
                "Solana: a transaction is gone, and too few nodes have the history to know it",
                metadata: [
                    "transaction": "\(Self.text(transaction))",
                    "advice": "GET /v1/operator/settlement says which history nodes must have",
                ])
        case .reportChanged:
            log.critical("Solana: a person must look", metadata: ["why": "\(alert)"])
        case .closed: log.notice("Solana's payouts go on", metadata: ["alert": "\(alert)"])
        default: log.warning("Solana", metadata: ["alert": "\(alert)"])
        }
    }

    private static func text(_ transaction: Signature) -> String {
        Base58.encode(transaction.bytes)
    }
}
