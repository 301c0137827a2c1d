public import Primitives

/// The best voucher of every channel, and what was given for it: a value. It decides which vouchers
/// count, which are to be claimed now, and what a person should know. Live it is by a log of its
/// inputs; `VoucherStore` makes each durable before service is given.
public struct VoucherBook: Sendable {
    /// The numbers it works by.
    public let policy: VoucherPolicy
    var entries: [Digest: VoucherEntry] = [:]
    var claims: [Digest: ChannelClaim] = [:]
    /// Channels with a deadline: those that are looked at when time passes.
    var watched: Set<Digest> = []

    /// An empty book.
    public init(policy: VoucherPolicy) { self.policy = policy }

    /// What is kept of a channel.
    public func entry(_ channel: Digest) -> VoucherEntry? { entries[channel] }

    /// The ids of all channels, in order. O(n log n).
    public var channels: [Digest] { entries.keys.sorted() }

    /// Claims under way, in the order of their ids.
    public var openClaims: [ChannelClaim] { claims.values.sorted { $0.id < $1.id } }

    /// The channels to claim now, the most urgent first: all whose payer takes the deposit back or
    /// whose voucher expires soon, and those of which enough is unclaimed for long enough. None
    /// that a claim is under way for. O(n log n).
    public func due(at now: Int64, everything: Bool = false) -> [Digest] {
        var found: [(deadline: Int64, id: Digest)] = []
        for (id, entry) in entries where entry.claim == nil && entry.unclaimed(at: now) > 0 {
            let deadline = deadline(of: entry, at: now)
            let isUrgent = deadline.map { isNear($0, at: now, entry) } ?? false
            let isWorth = entry.unclaimed(at: now) >= policy.minimumClaim
            let isOld = now >= entry.unclaimedSince.advanced(by: Int(policy.claimAfter))
            guard now >= entry.retryAt || isUrgent, isUrgent || everything || isWorth && isOld
            else { continue }
            found.append((deadline ?? .max, id))
        }
        return found.sorted { ($0.deadline, $0.id) < ($1.deadline, $1.id) }.map(\.id)
    }

    /// A channel that is closing is always urgent; a voucher that expires, when that is near.
    private func isNear(_ deadline: Int64, at now: Int64, _ entry: VoucherEntry) -> Bool {
        if case .closing = entry.sighting.phase { return true }
        return now >= deadline.subtractingClamped(policy.alertBefore)
    }

    /// The second from which a channel's best voucher may be worth nothing.
    private func deadline(of entry: VoucherEntry, at now: Int64) -> Int64? {
        var first: Int64?
        if case .closing(let deadline) = entry.sighting.phase { first = deadline }
        if let best = entry.best, best.expiresAt != 0, best.isLive(at: now) {
            first = min(first ?? .max, best.expiresAt)
        }
        return first
    }
}
