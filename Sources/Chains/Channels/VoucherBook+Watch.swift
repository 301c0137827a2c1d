import Primitives

/// The bits of `VoucherEntry.raised`.
enum ChannelAlarm {
    static let closing: UInt8 = 1
    static let near: UInt8 = 2
    static let expiring: UInt8 = 4
    static let lost: UInt8 = 8
}

extension VoucherBook {
    /// Looks whether a channel's money is in danger.
    mutating func look(at channel: Digest, _ now: Int64) -> [ChannelAlert] {
        guard var entry = entries[channel] else { return [] }
        defer {
            entries[channel] = entry
            if hasDeadline(entry) { watched.insert(channel) } else { watched.remove(channel) }
        }
        var alerts: [ChannelAlert] = []
        func raise(_ alarm: UInt8, _ alert: ChannelAlert) {
            guard entry.raised & alarm == 0 else { return }
            entry.raised |= alarm
            alerts.append(alert)
        }
        let unclaimed = entry.unclaimed(at: now)
        if case .closing(let deadline) = entry.sighting.phase {
            raise(
                ChannelAlarm.closing, .closing(channel, deadline: deadline, unclaimed: unclaimed))
            if unclaimed > 0, now >= deadline.subtractingClamped(policy.alertBefore) {
                raise(
                    ChannelAlarm.near,
                    .deadlineNear(channel, deadline: deadline, unclaimed: unclaimed))
            }
        } else {
            entry.raised &= ~(ChannelAlarm.closing | ChannelAlarm.near)
        }
        if let best = entry.best, best.expiresAt != 0, unclaimed > 0, best.isLive(at: now),
            now >= best.expiresAt.subtractingClamped(policy.alertBefore)
        {
            raise(
                ChannelAlarm.expiring, .expiring(channel, at: best.expiresAt, unclaimed: unclaimed))
        }
        let lost = lost(entry, now)
        if lost > 0 {
            raise(ChannelAlarm.lost, .lost(channel, lost))
        } else {
            entry.raised &= ~ChannelAlarm.lost
        }
        return alerts
    }

    /// What was given service for and can no longer be claimed.
    private func lost(_ entry: VoucherEntry, _ now: Int64) -> UInt128 {
        let safe = entry.sighting.claimed + entry.unclaimed(at: now)
        return entry.spent > safe ? entry.spent - safe : 0
    }

    func hasDeadline(_ entry: VoucherEntry) -> Bool {
        if case .closing = entry.sighting.phase { return true }
        return entry.best.map { $0.expiresAt != 0 } ?? false
    }
}

extension Int64 {
    func subtractingClamped(_ other: Int64) -> Int64 {
        let (result, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other > 0 ? .min : .max) : result
    }

    func addingClamped(_ other: Int64) -> Int64 {
        let (result, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : result
    }
}
