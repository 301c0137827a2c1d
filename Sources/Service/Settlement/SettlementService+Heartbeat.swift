import Chains
import Cryptography
import Logging
import Synchronization

/// The contract's heart. Without a root or a heartbeat for its escape delay anyone may declare the
/// house abandoned, and then there are never roots again. A house that pays otherwise, or has
/// nobody to pay, commits no root for long.
extension SettlementService {
    /// When the contract is asked next, and for which last sign of life the house was warned.
    struct HeartbeatMarks: Sendable {
        var next: ContinuousClock.Instant?
        var warned: UInt64?
    }

    /// Gives a sign of life when a third of the delay has passed since the last one, and says so
    /// aloud when two thirds have. The contract is asked a thousand times in a delay, but at least
    /// once a minute.
    func beat() async throws {
        if let next = state.withLock({ $0.pulse.next }), ContinuousClock.now < next { return }
        let view = try await reader.abandonment(at: try await nodes.commonHeight())
        let pause = Duration.seconds(min(max(view.delay / 1_000, 2), 60))
        state.withLock { $0.pulse.next = ContinuousClock.now + pause }
        let silence = view.timestamp - min(view.timestamp, view.lastSign)
        guard !view.isAbandoned, silence >= view.delay / 3 else { return }
        if silence / 2 >= view.delay / 3 { warn(view) }
        if isHalted { return }
        let order = SettlementOrder.heartbeat(last: view.lastSign)
        switch look(at: order.key).step {
        case .submit(let id): try await submit(id, order, "a sign of life")
        case .done(let inclusion): try await noteIfGone(inclusion)
        case .wait, .refused, .withoutBond: return
        }
    }

    private func warn(_ view: AbandonmentStatus) {
        let isNew = state.withLock { state in
            defer { state.pulse.warned = view.lastSign }
            return state.pulse.warned != view.lastSign
        }
        guard isNew else { return }
        let left = view.abandonableFrom - min(view.abandonableFrom, view.timestamp)
        log.critical(
            "anybody can soon declare the house abandoned: the contract sees no sign of life of it",
            metadata: ["in_seconds": "\(left)", "key": "\(key.checksummed)"])
    }
}
