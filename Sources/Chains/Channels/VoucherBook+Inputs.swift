public import Primitives

extension VoucherBook: LoggedMachine {
    /// Time passed.
    public static var tick: VoucherInput { .tick }

    /// Alerts change nothing.
    public static func onlyAsks(_ action: ChannelAlert) -> Bool { true }

    /// Alerts tell no outcome.
    public static func told(by action: ChannelAlert) -> Digest? { nil }

    /// Takes an input and returns what a person should know. O(1) but for a tick, which is
    /// O(channels with a deadline), and a claim, which is O(rows).
    public mutating func apply(
        _ input: VoucherInput, at now: Timestamp
    ) throws(ChannelRefusal) -> [ChannelAlert] {
        let second = Int64(now.nanoseconds / 1_000_000_000)
        switch input {
        case .opened(let terms, let sighting):
            guard entries[terms.id] == nil else { throw .channelExists }
            guard entries.count < policy.maximumChannels else { throw .tooManyChannels }
            entries[terms.id] = VoucherEntry(terms: terms, sighting: sighting)
            return look(at: terms.id, second)
        case .seen(let channel, let sighting):
            guard let entry = entries[channel] else { throw .unknownChannel }
            guard sighting.height >= entry.sighting.height else { return [] }
            entries[channel]?.sighting = sighting
            mark(channel, second)
            return look(at: channel, second)
        case .accepted(let voucher, let price):
            try accept(voucher, price, second)
            return look(at: voucher.channel, second)
        case .spent(let channel, let amount):
            guard let entry = entries[channel] else { throw .unknownChannel }
            guard amount <= entry.available else { throw .overspent }
            entries[channel]?.spent += amount
            return []
        case .claiming(let claim):
            try begin(claim)
            return []
        case .ended(let id, let isSettled): return try end(id, isSettled, second)
        case .tick: return watched.sorted().flatMap { look(at: $0, second) }
        }
    }

    /// Everything is checked before anything changes, the signature last, as it costs most.
    private mutating func accept(
        _ voucher: Voucher, _ price: UInt128, _ now: Int64
    ) throws(ChannelRefusal) {
        guard var entry = entries[voucher.channel] else { throw .unknownChannel }
        guard entry.sighting.phase == .open else { throw .closing }
        let before = max(entry.best?.cumulative ?? 0, entry.sighting.claimed)
        guard voucher.cumulative > before else { throw .notHigher }
        guard voucher.cumulative <= entry.sighting.deposit else { throw .overDeposit }
        guard voucher.isLive(at: now.addingClamped(policy.minimumLife)) else { throw .expired }
        try entry.terms.check(voucher)
        let (spent, overflow) = entry.spent.addingReportingOverflow(price)
        guard !overflow, spent <= voucher.cumulative else { throw .overspent }
        entry.best = voucher
        if voucher.expiresAt == 0 { entry.lasting = voucher }
        entry.spent = spent
        entry.raised &= ~ChannelAlarm.expiring
        entries[voucher.channel] = entry
        mark(voucher.channel, now)
    }

    private mutating func begin(_ claim: ChannelClaim) throws(ChannelRefusal) {
        guard !claim.rows.isEmpty, claim.rows.count <= policy.maximumRows else { throw .claimSize }
        guard claims[claim.id] == nil else { throw .claimUnderWay }
        var channels: Set<Digest> = []
        for row in claim.rows {
            guard let entry = entries[row.voucher.channel] else { throw .unknownChannel }
            guard entry.claim == nil, channels.insert(row.voucher.channel).inserted else {
                throw .claimUnderWay
            }
            guard row.total <= row.voucher.cumulative,
                row.voucher.cumulative <= entry.best?.cumulative ?? 0
            else { throw .overspent }
        }
        claims[claim.id] = claim
        for row in claim.rows { entries[row.voucher.channel]?.claim = claim.id }
    }

    private mutating func end(
        _ id: Digest, _ isSettled: Bool, _ now: Int64
    ) throws(ChannelRefusal) -> [ChannelAlert] {
        guard let claim = claims.removeValue(forKey: id) else { throw .noSuchClaim }
        var alerts: [ChannelAlert] = []
        for row in claim.rows {
            let channel = row.voucher.channel
            guard var entry = entries[channel] else { continue }
            entry.claim = nil
            if isSettled {
                let old = entry.sighting
                entry.sighting = ChannelSighting(
                    deposit: old.deposit, claimed: max(old.claimed, row.total), phase: old.phase,
                    height: old.height)
            } else if claim.rows.count == 1 {
                entry.retryAt = now.addingClamped(policy.retryAfter)
                alerts.append(.refused(channel))
            }
            if isSettled { entry.unclaimedSince = 0 }
            entries[channel] = entry
            mark(channel, now)
        }
        return alerts
    }

    /// Notes since when something is unclaimed.
    private mutating func mark(_ channel: Digest, _ now: Int64) {
        guard let entry = entries[channel] else { return }
        if entry.unclaimed(at: now) == 0 {
            entries[channel]?.unclaimedSince = 0
        } else if entry.unclaimedSince == 0 {
            entries[channel]?.unclaimedSince = max(now, 1)
        }
    }
}
