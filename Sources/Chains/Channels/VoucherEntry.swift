public import Primitives

/// How far a channel is, as the chain says.
public enum ChannelPhase: Hashable, Sendable {
    /// Vouchers count.
    case open
    /// The payer takes the deposit back from this second on.
    case closing(deadline: Int64)
    /// No voucher counts any more.
    case closed
}

/// What the chain says of a channel.
public struct ChannelSighting: Hashable, Sendable {
    /// What lies in it, with what was claimed.
    public let deposit: UInt128
    /// What was ever claimed.
    public let claimed: UInt128
    /// How far it is.
    public let phase: ChannelPhase
    /// The height or slot this is as of. An older sighting changes nothing.
    public let height: UInt64

    /// A sighting of these parts.
    public init(deposit: UInt128, claimed: UInt128, phase: ChannelPhase, height: UInt64) {
        self.deposit = deposit
        self.claimed = claimed
        self.phase = phase
        self.height = height
    }

    /// Whether it says the same as another, whatever its height.
    func says(_ other: ChannelSighting) -> Bool {
        (deposit, claimed, phase) == (other.deposit, other.claimed, other.phase)
    }

    /// What an EVM contract says of a channel.
    public init(_ state: BatchChannelState, of channel: BatchChannel) {
        let isClosing = state.withdrawStarted > 0
        let end = Int64(clamping: state.withdrawStarted + channel.config.withdrawDelay)
        self.init(
            deposit: state.balance, claimed: state.totalClaimed,
            phase: isClosing ? .closing(deadline: end) : .open, height: state.height)
    }

    /// What Solana's program says of a channel; a channel that is gone has no state, and keeps what
    /// was claimed.
    public init(_ state: PaymentChannelState, of channel: PaymentChannel, slot: UInt64) {
        let phase: ChannelPhase =
            switch state.status {
            case .open: .open
            case .closing:
                .closing(
                    deadline: state.closureStartedAt.addingClamped(
                        Int64(channel.terms.gracePeriod)))
            case .sealed, .distributed: .closed
            }
        self.init(
            deposit: UInt128(state.deposit), claimed: UInt128(state.settled), phase: phase,
            height: slot)
    }
}

/// What a receiver keeps of a channel.
public struct VoucherEntry: Hashable, Sendable {
    /// What it was opened with.
    public let terms: ChannelTerms
    /// What the chain last said.
    public internal(set) var sighting: ChannelSighting
    /// The voucher that says most.
    public internal(set) var best: Voucher?
    /// Of those that never expire the one that says most: it counts when `best` has expired.
    public internal(set) var lasting: Voucher?
    /// How much service was given for.
    public internal(set) var spent: UInt128 = 0
    /// The second of the first voucher that is not claimed; 0 if there is none.
    public internal(set) var unclaimedSince: Int64 = 0
    /// The claim under way.
    public internal(set) var claim: Digest?
    /// Until when a claim that was refused is not tried again.
    public internal(set) var retryAt: Int64 = 0
    /// Which alerts were raised, by bits.
    var raised: UInt8 = 0

    /// What a voucher may still be spent on.
    public var available: UInt128 {
        let signed = best?.cumulative ?? 0
        return signed > spent ? signed - spent : 0
    }

    /// The voucher to claim with.
    public func claimable(at now: Int64) -> Voucher? {
        if let best, best.isLive(at: now) { return best }
        return lasting
    }

    /// How much can be claimed that is not.
    public func unclaimed(at now: Int64) -> UInt128 {
        guard let voucher = claimable(at: now), sighting.phase != .closed else { return 0 }
        let total = min(voucher.cumulative, sighting.deposit)
        return total > sighting.claimed ? total - sighting.claimed : 0
    }
}
