import Ledger
public import Primitives

/// Payments through payment channels: what is promised by vouchers, and what is claimed.
///
/// The deposit is the payer's own money, so it is in no account here. What a voucher promises is in
/// transit from then on. When the contract logs the claim, it is the payer's: as with a dispersal,
/// whoever paid takes over what the house owed the payee.
extension ClearingHouse {
    mutating func openChannel(
        _ draft: ChannelDraft, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if channels.count(where: { !$0.isOver }) >= Limits.openChannels { throw .limitExceeded }
        guard let party = parties.at(draft.party) else { throw .partyNotFound }
        try checkDeposit(draft.deposit, draft.asset)
        let isTaken = channel(of: draft.party, draft.asset).map { !$0.isClosing } ?? false
        if isTaken || index.channelByKey[draft.key] != nil { throw .channelExists }
        if party.payout.channel != draft.receiver || party.address == draft.payer {
            throw .channelNotWanted
        }
        let payer = self.party(for: draft.payer, at: time, into: &events)
        let id = ChannelID(UInt64(channels.count) + 1)
        channels.append(HouseChannel(id: id, terms: draft, payer: payer, madeAt: time))
        indexChannel(id)
        events.append(.channelFunding(id, total: draft.deposit))
    }

    mutating func fundChannel(
        _ id: ChannelID, total: UInt128, into events: inout [Event]
    ) throws(Rejection) {
        guard let channel = channels.at(id) else { throw .channelNotFound }
        try checkDeposit(total, channel.asset)
        if total <= channel.targets.last ?? 0 { throw .invalidAmount }
        if channel.isClosing || channel.openDeposit > 0 { throw .wrongChannelState }
        channels[id].targets.append(total)
        events.append(.channelFunding(id, total: total))
    }

    private func checkDeposit(_ units: UInt128, _ asset: Asset) throws(Rejection) {
        guard units > 0, let amount = asset.amount(chainUnits: units), amount.units < 1 << 120
        else { throw .invalidAmount }
    }

    /// What is promised can be claimed at any time, so a channel is not closed before it is; nor
    /// while a deposit may be on its way, which would have to be taken back then.
    mutating func closeChannel(
        _ id: ChannelID, into events: inout [Event]
    ) throws(Rejection) {
        guard let channel = channels.at(id) else { throw .channelNotFound }
        if channel.isClosing || channel.unclaimed > 0 || channel.openDeposit > 0 {
            throw .wrongChannelState
        }
        channels[id].isClosing = true
        events.append(.channelClosing(id))
    }

    // MARK: Promises

    /// Promises a party so much more through its channel, which has room for it.
    mutating func promise(
        _ party: PartyID, _ asset: Asset, _ units: UInt128, dated: Bool, at time: Timestamp,
        into events: inout [Event]
    ) {
        guard let id = channel(of: party, asset)?.id, channels[id].room >= units,
            let amount = asset.amount(chainUnits: units)
        else { preconditionFailure("a position with a channel has room in it") }
        move(
            amount, from: .init(.payable, asset, of: party),
            to: .init(.inTransit, asset, of: party), .voucher, id.rawValue, at: time)
        let before = channels[id].settled
        if dated, channels[id].unclaimed == 0 || channels[id].waitingSince == nil {
            channels[id].waitingSince = time
        }
        channels[id].promised += units
        channels[id].vouchers += 1
        indexVouchers(of: id)
        // What was claimed without a promise is set off against the promises that follow.
        moveSettled(id, since: before, at: time)
        events.append(.voucherDue(id, cumulative: channels[id].promised))
    }

    /// Makes the payer's what was promised and is claimed by now.
    private mutating func moveSettled(
        _ id: ChannelID, since before: UInt128, at time: Timestamp
    ) {
        let channel = channels[id]
        let units = channel.settled - min(channel.settled, before)
        move(
            channel.asset.amount(chainUnits: units) ?? .zero,
            from: .init(.inTransit, channel.asset, of: channel.party),
            to: .init(.payable, channel.asset, of: channel.payer), .voucherClaim, id.rawValue,
            at: time)
    }

    // MARK: Logs

    mutating func moveChannel(
        _ key: Digest, _ move: ChannelMove, _ reference: ChainReference,
        into events: inout [Event]
    ) throws(Rejection) {
        guard let id = index.channelByKey[key] else { throw .channelNotFound }
        let channel = channels[id]
        switch move {
        case .deposited(let units):
            let (sum, overflow) = channel.received.addingReportingOverflow(units)
            if overflow || units == 0 { throw .invalidAmount }
            channels[id].received = sum
        case .withdrawing:
            channels[id].isWithdrawing = true
            channels[id].withdrawingSince = reference.block
        case .withdrawn(let units):
            if units > channel.balance { throw .invalidAmount }
            channels[id].returned += units
            channels[id].withdrawals += 1
            channels[id].isWithdrawing = false
        case .refunded(let units):
            if units > channel.balance { throw .invalidAmount }
            channels[id].returned += units
            // Who gives the deposit back wants no channel, until it says so anew.
            if parties[channel.party].payout.channel == channel.terms.receiver {
                parties[channel.party].payee.settings.channel = nil
                events.append(.payoutSet(channel.party))
            }
        }
        events.append(.channelBalance(id, units: channels[id].balance))
    }

    mutating func claimVoucher(
        _ key: Digest, total: UInt128, _ units: UInt128, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        guard let id = index.channelByKey[key] else { throw .channelNotFound }
        let channel = channels[id]
        if total <= channel.claimed || units == 0 { throw .invalidAmount }
        channels[id].claimed = total
        if channel.waitingSince != nil { channels[id].waitingSince = time }
        moveSettled(id, since: channel.settled, at: time)
        events.append(.voucherClaimed(id, units: total - channel.claimed))
        if total > channel.promised {
            events.append(.channelOverclaimed(id, units: total - channel.promised))
        }
    }

    // MARK: Reversals

    mutating func reverseChannel(
        _ key: Digest, _ move: ChannelMove, into events: inout [Event]
    ) throws(Rejection) {
        guard let id = index.channelByKey[key] else { throw .channelNotFound }
        switch move {
        case .deposited(let units): channels[id].received -= min(channels[id].received, units)
        case .withdrawing: channels[id].isWithdrawing = false
        case .withdrawn(let units):
            channels[id].returned -= min(channels[id].returned, units)
            channels[id].withdrawals -= min(channels[id].withdrawals, 1)
            channels[id].isWithdrawing = true
        case .refunded(let units): channels[id].returned -= min(channels[id].returned, units)
        }
        events.append(.channelBalance(id, units: channels[id].balance))
    }

    /// The voucher can be claimed again, so what it promised is reserved again.
    mutating func reverseVoucher(
        _ key: Digest, total: UInt128, _ units: UInt128, _ reference: ChainReference,
        at time: Timestamp
    ) throws(Rejection) {
        guard let id = index.channelByKey[key] else { throw .channelNotFound }
        let channel = channels[id]
        guard channel.claimed == total, units <= total else { throw .wrongChannelState }
        let due = channel.settled - min(channel.promised, total - units)
        let amount = channel.asset.amount(chainUnits: due) ?? .zero
        try returnClaims(
            [(channel.party, amount)], channel.asset, from: channel.payer, reference, at: time)
        channels[id].claimed = total - units
    }
}

extension HouseChannel {
    /// What was both promised and claimed: the payer has taken it over.
    fileprivate var settled: UInt128 { min(promised, claimed) }
}

extension ClearingHouse {
    /// The payment channel with this number.
    public func channel(_ id: ChannelID) -> HouseChannel? { channels.at(id) }

    /// The payment channel that the contract knows by this key.
    public func channel(key: Digest) -> HouseChannel? {
        index.channelByKey[key].flatMap(channels.at)
    }

    /// The last payment channel to a party in an asset.
    public func channel(of party: PartyID, _ asset: Asset) -> HouseChannel? {
        index.channelByOwner[.init(party: party, asset: asset)].flatMap(channels.at)
    }

    /// The channel through which a payer can pay a party now: one to the receiver that it wants.
    public func usableChannel(
        of party: PartyID, _ asset: Asset, payer: EVMAddress
    ) -> HouseChannel? {
        guard let channel = channel(of: party, asset), channel.terms.payer == payer,
            !channel.isClosing, !channel.isWithdrawing,
            parties.at(party)?.payout.channel == channel.terms.receiver
        else { return nil }
        return channel
    }

    /// What is in transit to parties in another way than as leaves of roots: by dispersals that are
    /// open and by vouchers that are not claimed, in chain units. O(open dispersals and channels).
    public func sentUnits(_ asset: Asset) -> [PartyID: UInt128] {
        var sent: [PartyID: UInt128] = [:]
        for dispersal in openDispersals where dispersal.asset == asset {
            for payment in dispersal.payments where payment.state.isOpen {
                sent[payment.party, default: 0] += payment.units
            }
        }
        for channel in channels where channel.asset == asset {
            sent[channel.party, default: 0] += channel.unclaimed
        }
        return sent
    }

    /// Whether it is known of any channel since when its voucher waits. O(channels).
    var hasVoucherTimes: Bool { channels.contains { $0.waitingSince != nil } }

    func encodeVoucherTimes(into writer: inout ByteWriter) {
        let dated = channels.filter { $0.waitingSince != nil }
        writer.write(UInt32(dated.count))
        for channel in dated {
            writer.write(channel.id)
            writer.write(channel.waitingSince ?? .zero)
        }
    }

    mutating func restoreVoucherTimes(from reader: inout ByteReader) throws(CodecError) {
        let count = try reader.readCount(limit: .max)
        if count == 0 { throw .invalidValue("voucher times") }
        var last: UInt64 = 0
        for _ in 0..<count {
            let id: ChannelID = try reader.read()
            guard id.rawValue > last, channels.at(id) != nil else {
                throw .invalidValue("voucher time")
            }
            channels[id].waitingSince = try reader.read()
            last = id.rawValue
        }
    }

    mutating func indexChannel(_ id: ChannelID) {
        let terms = channels[id].terms
        index.channelByKey[terms.key] = id
        index.channelByOwner[.init(party: terms.party, asset: terms.asset)] = id
    }

    mutating func restoreChannels(from reader: inout ByteReader) throws(CodecError) {
        channels = try reader.readArray(limit: .max)
        if channels.isEmpty { throw .invalidValue("channels") }
        for (place, channel) in channels.enumerated() {
            guard channel.id.rawValue == UInt64(place) + 1, parties.at(channel.party) != nil,
                parties.at(channel.payer) != nil
            else { throw .invalidValue("channel") }
            indexChannel(channel.id)
            indexVouchers(of: channel.id)
        }
    }
}
