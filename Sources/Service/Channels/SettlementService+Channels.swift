import Chains
import Clearing
import Logging
import Primitives
import Synchronization

/// Payment channels: what is opened, filled up and taken back, as orders of the transaction
/// manager. What came of them is told by the logs alone.
extension SettlementService {
    /// How often it is looked who should have a channel, or one no more.
    private static let channelInterval = Duration.seconds(1)
    /// How long a signer that gave no signature for a channel is not asked again for it.
    private static let signerPause = Duration.seconds(10)

    /// Deposits and withdrawals that the chain refuses for now.
    public var waitingChannels: Int { state.withLock { $0.waitingChannels } }

    /// Sends what is decided, and decides anew from time to time.
    func keepChannels() async throws {
        try await sealing.sealVouchers()
        let account = key
        let open = try await sequencer.read { house in
            house.channels.filter { !$0.isOver && $0.terms.payer == account }
        }
        var waiting = 0
        for channel in open {
            if channel.openDeposit > 0 {
                if try await !sendDeposit(channel) { waiting += 1 }
            } else if channel.isClosing, channel.unclaimed == 0 {
                if try await !takeBack(channel) { waiting += 1 }
            }
        }
        state.withLock { $0.waitingChannels = waiting }
        guard isTimeForChannels() else { return }
        for channel in open where !channel.isClosing { try await review(channel) }
        if let options = channels.options { try await openChannels(options) }
    }

    private func isTimeForChannels() -> Bool {
        state.withLock { state in
            let now = ContinuousClock.now
            guard now >= state.nextChannels else { return false }
            state.nextChannels = now + Self.channelInterval
            return true
        }
    }

    // MARK: Orders

    /// Whether an order is on its way or carried out; false if the chain refuses it for now.
    private func send(
        _ order: HouseChannel.Order, of record: HouseChannel, _ name: String,
        _ data: (BatchChannel, Digest) async throws(SigningFailure) -> [UInt8]?
    ) async throws -> Bool {
        let key = record.key(of: order)
        switch look(at: key).step {
        case .submit(let id):
            guard let channel = channels.channel(record.terms), channel.id == record.terms.key,
                let data = await callData(data, channel, key, of: record)
            else { return false }
            try await submit(
                id, .call(key: key, contract: channel.contract, data: data),
                "\(name) channel \(record.id)")
            return true
        case .refused, .withoutBond: return false
        case .wait: return true
        case .done(let inclusion):
            // The log comes.
            try await noteIfGone(inclusion)
            return true
        }
    }

    private func callData(
        _ data: (BatchChannel, Digest) async throws(SigningFailure) -> [UInt8]?,
        _ channel: BatchChannel, _ key: Digest, of record: HouseChannel
    ) async -> [UInt8]? {
        await withSignature(.deposit, for: record) { () async throws(SigningFailure) in
            try await data(channel, key)
        }
    }

    /// What is made with a signature for a channel; `nil` while there is none. A signer that gives
    /// none is left alone for a while, whoever asks.
    func withSignature<Made>(
        _ paper: UnsignedPaper.Kind, for record: HouseChannel,
        _ make: () async throws(SigningFailure) -> Made?
    ) async -> Made? {
        let name = UnsignedPaper(channel: record.id, kind: paper)
        let last = state.withLock { $0.unsigned[name] }
        if let last, last.until > .now { return nil }
        do throws(SigningFailure) {
            let made = try await make()
            state.withLock { $0.unsigned[name] = nil }
            return made
        } catch {
            let withheld = WithheldSignature(why: error, until: .now + Self.signerPause)
            state.withLock { $0.unsigned[name] = withheld }
            // Once for each reason, however often it is asked.
            if last?.why != error {
                log.warning(
                    "a payment channel waits for a signature",
                    metadata: ["channel": "\(record.id)", "why": "\(error)"])
            }
            return nil
        }
    }

    private func sendDeposit(_ record: HouseChannel) async throws -> Bool {
        let target = record.targets.last ?? 0
        let before = record.targets.dropLast().last ?? 0
        let payer = channels
        return try await send(
            .deposit(target: target), of: record, "the deposit in"
        ) { channel, name throws(SigningFailure) in
            try await payer.depositCall(
                target - before, into: channel, name: name, at: .systemNow)
        }
    }

    /// Takes back what is left in a closed channel: says so first, and does it after the delay.
    private func takeBack(_ record: HouseChannel) async throws -> Bool {
        let turn = record.withdrawals
        guard record.isWithdrawing else {
            let rest = record.rest
            return try await send(.withdraw(turn: turn), of: record, "the way out of") { one, _ in
                BatchCall.initiateWithdraw(one, amount: rest)
            }
        }
        let height = try await nodes.commonHeight()
        let since = try await timestamp(of: record.withdrawingSince)
        guard try await timestamp(of: height) >= since + record.terms.withdrawDelay else {
            return true
        }
        return try await send(.finalize(turn: turn), of: record, "the money back from") { one, _ in
            BatchCall.finalizeWithdraw(one)
        }
    }

    /// When a block was made, in Unix seconds, as enough nodes tell it.
    func timestamp(of height: UInt64) async throws(ChainError) -> UInt64 {
        try await nodes.agreed { node throws(ChainError) in
            guard let block = try await node.block(height) else {
                throw .inconsistentNode("block \(height) is not there yet")
            }
            return block.timestamp
        }
    }

    // MARK: Decisions

    /// Closes a channel that its party wants no more, and fills up one that is nearly used up.
    private func review(_ channel: HouseChannel) async throws {
        let (isWanted, payouts) = try await sequencer.read { house in
            let wanted = house.party(channel.party)?.payout.channel
            return (wanted == channel.terms.receiver, house.payouts(through: channel))
        }
        // What is being taken back and is not there any more is of no use either.
        let isEmpty = channel.isWithdrawing && channel.rest == 0
        guard isWanted, !isEmpty else {
            if channel.unclaimed == 0, channel.openDeposit == 0, isEmpty || !channel.isWithdrawing {
                _ = try await sequencer.submit(.closeChannel(channel.id))
            }
            return
        }
        guard let options = channels.options, channel.openDeposit == 0, !channel.isWithdrawing,
            channel.room < options.refillUnits, let rollup = knownRollupQuote()
        else { return }
        let reckoning = ChannelReckoning(
            payouts, deposit: options.depositUnits, depositGas: rollup.deposit,
            voucherGas: voucherGas(rollup))
        guard reckoning.isWorthIt else { return }
        let taken = max(channel.promised, channel.claimed) + channel.returned
        let total = taken + options.depositUnits
        guard try await holds(total - min(total, channel.received)) else { return }
        _ = try await sequencer.submit(.fundChannel(channel.id, total: total))
    }

    /// Opens channels to those who asked for one and were sent enough.
    private func openChannels(_ options: HouseConfiguration.Channels) async throws {
        let account = key
        let (wishes, count) = try await sequencer.read { house in
            (house.channelWishes(payer: account), UInt64(house.channels.count))
        }
        var number = count
        for wish in wishes where wish.payouts.count >= options.minimumHistory {
            guard let rollup = knownRollupQuote() else { return }
            let reckoning = ChannelReckoning(
                wish.payouts, deposit: options.depositUnits, depositGas: rollup.deposit,
                voucherGas: voucherGas(rollup))
            guard reckoning.isWorthIt, try await holds(options.depositUnits),
                let draft = channels.draft(
                    options, to: wish.party, receiver: wish.receiver, payer: account, token: usd,
                    number: number + 1)
            else { continue }
            guard case .success = try await sequencer.submit(.openChannel(draft)) else { continue }
            number += 1
            log.info(
                "a payment channel is opened",
                metadata: [
                    "channel": "\(number)", "party": "\(wish.party)",
                    "pays_back_after": "\(reckoning.paysBackAfter ?? 0) settlements",
                    "lasts_for": "\(reckoning.lasts) settlements",
                ])
        }
    }

    /// Whether the payer has so many units beside what it is to send already.
    private func holds(_ units: UInt128) async throws -> Bool {
        guard let payer else { return false }
        let held = try await payer.holdings(of: .usd, at: usd, spender: contract, nodes).balance
        let account = key
        let due = try await sequencer.read { house in
            house.openDispersals.reduce(UInt128(0)) {
                $1.rail == .push && $1.asset == .usd ? $0 + $1.openUnits : $0
            }
                + house.channels.reduce(UInt128(0)) {
                    $1.terms.payer == account ? $0 + $1.openDeposit : $0
                }
        }
        return held >= due + units
    }

    /// What a voucher's claim counts in a plan: nothing if payees' gas does not.
    func voucherGas(_ rollup: RollupQuote) -> UInt64 {
        guard let options = payer?.options, options.bearing == .everyone else { return 0 }
        let batches = UInt64(max(options.batchesPerClaim, 1))
        return (rollup.voucher + batches - 1) / batches
    }

    // MARK: Logs

    /// Filters for the logs of every channel from which something may still come.
    func channelFilters() async throws(ChainError) -> [LogFilter] {
        let open: [(contract: EVMAddress, key: Digest)]
        do throws(SequencerError) {
            open = try await sequencer.read { house in
                house.channels.filter { !$0.isOver }.map { ($0.terms.contract, $0.terms.key) }
            }
        } catch {
            throw .inconsistentNode("the books do not tell which channels there are: \(error)")
        }
        return Set(open.map(\.contract)).sorted().flatMap { contract in
            ChannelEvent.filters(
                contract: contract, channels: open.filter { $0.contract == contract }.map(\.key))
        }
    }

    /// Says aloud what should never be: a voucher that the house did not promise.
    func tell(_ events: [Event]) {
        for case .channelOverclaimed(let channel, let units) in events {
            log.critical(
                "more was claimed than the house promised: somebody else has the payer's key",
                metadata: ["channel": "\(channel)", "units": "\(units)"])
        }
    }
}

/// A party that asked for a channel and has none.
private struct ChannelWish: Sendable {
    let party: PartyID
    let receiver: EVMAddress
    let payouts: [ChannelReckoning.Payout]
}

extension ClearingHouse {
    /// Who asked for a channel and has none, or one that is over. O(parties).
    fileprivate func channelWishes(payer: EVMAddress) -> [ChannelWish] {
        parties.compactMap { party in
            guard let receiver = party.payout.channel, party.address != payer else { return nil }
            let last = channel(of: party.id, .usd)
            if let last, !last.isOver { return nil }
            return ChannelWish(
                party: party.id, receiver: receiver,
                payouts: payouts(to: party.id, .usd, since: last?.madeAt ?? .zero))
        }
    }
}

extension ChainObservation {
    /// What a log of a channel means to the books.
    init(_ channel: Digest, _ event: ChannelEvent) {
        self =
            switch event {
            case .deposited(let amount, _): .channelMoved(channel, .deposited(amount))
            case .claimed(let amount, let total):
                .channelClaimed(channel, total: total, chainUnits: amount)
            case .refunded(let amount): .channelMoved(channel, .refunded(amount))
            case .withdrawInitiated: .channelMoved(channel, .withdrawing)
            case .withdrawFinalized(let amount): .channelMoved(channel, .withdrawn(amount))
            }
    }
}
