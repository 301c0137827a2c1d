import Clearing
import ClearingWorld
import Ledger
import Primitives
import Testing

/// What is promised through payment channels and what is claimed, to the unit.
@Suite struct HouseChannelTests {
    private let cents: UInt128 = 10_000_000_000
    private let one = PartyID(1)

    /// A world in which a party is owed so many cents.
    private func due(_ amount: UInt128, in world: inout World, to party: PartyID = PartyID(1)) {
        world.observe(
            .deposited(
                account: World.address(UInt8(party.rawValue)), chainUnits: amount * 10_000))
        world.run(.withdraw(party, asset: .usd, amount: Amount(amount * cents)))
    }

    private func held(_ world: World, _ purpose: Purpose, _ party: PartyID) -> UInt128 {
        world.balance(purpose, party).units / cents
    }

    private func claim(_ total: UInt128, _ units: UInt128) -> ChainObservation {
        .channelClaimed(World.channel(one).key, total: total, chainUnits: units)
    }

    @Test func aVoucherReservesAndTheClaimIsThePayers() throws {
        var world = World()
        world.openChannel(one)
        due(3, in: &world)
        let owed = world.house.owed(.usd)
        let events = world.run(.settle(World.vouching()))
        #expect(events.contains(.voucherDue(ChannelID(1), cumulative: 30_000)))
        let plan = try #require(world.house.settlements.last)
        #expect((plan.vouchers, plan.dispersals, plan.gas) == (1, 0, 0))
        #expect(held(world, .inTransit, one) == 3 && held(world, .payable, one) == 0)
        #expect(world.house.sentUnits(.usd)[one] == 30_000)
        due(2, in: &world)
        world.run(.settle(World.vouching()))
        let channel = try #require(world.house.channel(of: one, .usd))
        #expect((channel.promised, channel.unclaimed, channel.room) == (50_000, 50_000, 50_000))
        #expect(channel.vouchers == 2 && world.house.batches.isEmpty)
        // The payee claims a part, and then the rest.
        world.observe(claim(20_000, 20_000))
        #expect(held(world, .inTransit, one) == 3 && held(world, .payable, World.payer) == 2)
        world.observe(claim(50_000, 30_000))
        #expect(held(world, .inTransit, one) == 0 && held(world, .payable, World.payer) == 5)
        #expect(world.house.owed(.usd).units == owed.units + 2 * cents)
        #expect(
            world.apply(.observeChain(world.nextReference(), claim(50_000, 30_000)))
                == .failure(.invalidAmount))
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// What waits waits since the first promise after all was claimed, or since the last claim.
    @Test func itIsKnownSinceWhenAVoucherWaits() throws {
        var world = World()
        world.openChannel(one)
        var since: Timestamp? { world.house.channels[0].waitingSince }
        func settle(_ quotes: SettlementQuotes = World.vouching()) -> Timestamp {
            due(1, in: &world)
            world.run(.settle(quotes))
            return world.house.now
        }
        // A settlement of before notes nothing, and nor does what follows from it.
        _ = settle(World.vouching { $0.datesVouchers = false })
        world.observe(claim(4_000, 4_000))
        #expect(since == nil && world.house.channels[0].unclaimed == 6_000)
        #expect(try world.house.restored().channels == world.house.channels)
        let first = settle()
        #expect(since == first)
        #expect(settle() > first)
        #expect(since == first)
        world.observe(claim(20_000, 16_000))
        let claimed = world.house.now
        #expect(since == claimed && world.house.channels[0].unclaimed == 10_000)
        world.observe(claim(30_000, 10_000))
        #expect(world.house.channels[0].unclaimed == 0)
        // With nothing left the next promise counts anew, even if it is set off.
        world.observe(claim(35_000, 5_000))
        let next = settle()
        #expect(since == next && world.house.channels[0].unclaimed == 5_000)
        #expect(try world.house.restored().channels == world.house.channels)
    }

    @Test func neverMoreThanLiesThere() throws {
        var world = World()
        world.run(.setPayout(one, PayoutSettings(channel: World.receiver(one))))
        let draft = World.channel(one, deposit: 40_000)
        world.run(.openChannel(draft))
        due(3, in: &world)
        // The deposit is decided, and no log has told of it yet.
        #expect(world.apply(.closeChannel(ChannelID(1))) == .failure(.wrongChannelState))
        world.run(.settle(World.vouching()))
        #expect(world.house.dispersals.count == 1)
        world.observe(.channelMoved(draft.key, .deposited(40_000)))
        due(3, in: &world)
        world.run(.settle(World.vouching()))
        #expect(world.house.channels[0].promised == 30_000)
        // 10,000 are left, and 10,001 are due: they are sent.
        due(1, in: &world)
        world.observe(.deposited(account: World.address(1), chainUnits: 1))
        world.run(.withdraw(one, asset: .usd, amount: Amount(1_000_000)))
        world.run(.settle(World.vouching()))
        #expect(world.house.channels[0].promised == 30_000)
        #expect(world.house.dispersals.last?.payments.map(\.units) == [10_001])
        // To the last unit.
        due(1, in: &world)
        world.run(.settle(World.vouching()))
        #expect(world.house.channels[0].promised == 40_000 && world.house.channels[0].room == 0)
        // What was claimed is no room.
        world.observe(claim(40_000, 40_000))
        due(1, in: &world)
        world.run(.settle(World.vouching()))
        #expect(world.house.channels[0].promised == 40_000)
        #expect(world.house.dispersals.count == 3)
        world.run(.fundChannel(ChannelID(1), total: 60_000))
        #expect(
            world.apply(.fundChannel(ChannelID(1), total: 70_000))
                == .failure(.wrongChannelState))
        #expect(
            world.apply(.fundChannel(ChannelID(1), total: 60_000)) == .failure(.invalidAmount))
        world.observe(.channelMoved(draft.key, .deposited(20_000)))
        due(2, in: &world)
        world.run(.settle(World.vouching()))
        #expect(world.house.channels[0].promised == 60_000)
    }

    @Test func whatIsToBeDepositedIsNotSent() {
        var world = World()
        world.run(.setPayout(one, PayoutSettings(channel: World.receiver(one))))
        world.run(.openChannel(World.channel(one, deposit: 40_000)))
        due(3, in: &world, to: PartyID(2))
        let quotes = World.vouching {
            $0.pushFloat = AssetSums(usd: Amount(6 * cents), tly: .zero)
        }
        world.run(.settle(quotes))
        #expect(world.house.dispersals.isEmpty && world.house.batches.count == 1)
    }

    @Test(arguments: [1, 2, 3, 4])
    func aChannelThatIsOfNoUseIsNotUsed(_ way: Int) {
        var world = World()
        world.openChannel(one)
        due(3, in: &world)
        var quotes = World.vouching()
        switch way {
        case 1: world.run(.setPayout(one, PayoutSettings()))
        case 2: world.observe(.channelMoved(World.channel(one).key, .withdrawing))
        case 3: world.run(.closeChannel(ChannelID(1)))
        default: quotes.payer = World.address(77)
        }
        world.run(.settle(quotes))
        #expect(world.house.channels[0].promised == 0 && world.house.dispersals.count == 1)
    }

    @Test func whoAskedForNoneGetsNone() {
        var world = World()
        let draft = World.channel(one)
        #expect(world.apply(.openChannel(draft)) == .failure(.channelNotWanted))
        world.run(.setPayout(one, PayoutSettings(channel: World.address(55))))
        #expect(world.apply(.openChannel(draft)) == .failure(.channelNotWanted))
        world.run(.setPayout(one, PayoutSettings(channel: draft.receiver)))
        #expect(
            world.apply(.openChannel(World.channel(one, deposit: 0))) == .failure(.invalidAmount))
        var strange = draft
        strange.party = PartyID(99)
        #expect(world.apply(.openChannel(strange)) == .failure(.partyNotFound))
        var own = draft
        own.payer = World.address(1)
        #expect(world.apply(.openChannel(own)) == .failure(.channelNotWanted))
        world.run(.openChannel(draft))
        #expect(world.apply(.openChannel(draft)) == .failure(.channelExists))
        #expect(
            world.apply(.openChannel(World.channel(one, number: 2))) == .failure(.channelExists))
        #expect(world.apply(.closeChannel(ChannelID(2))) == .failure(.channelNotFound))
        #expect(
            world.apply(.fundChannel(ChannelID(2), total: 5)) == .failure(.channelNotFound))
        let log = ChainObservation.channelMoved(World.digest(3), .deposited(1))
        #expect(
            world.apply(.observeChain(world.nextReference(), log)) == .failure(.channelNotFound))
        let cost = ChainCost(
            .channel(ChannelID(2)), .wei, units: 5, transaction: World.digest(1).bytes)
        #expect(world.apply(.bookCost(cost)) == .failure(.channelNotFound))
    }

    @Test func aChannelIsClosedWhenAllIsClaimed() throws {
        var world = World()
        world.openChannel(one)
        due(3, in: &world)
        world.run(.settle(World.vouching()))
        #expect(world.apply(.closeChannel(ChannelID(1))) == .failure(.wrongChannelState))
        world.observe(claim(29_999, 29_999))
        #expect(world.apply(.closeChannel(ChannelID(1))) == .failure(.wrongChannelState))
        world.observe(claim(30_000, 1))
        world.run(.closeChannel(ChannelID(1)))
        #expect(world.apply(.closeChannel(ChannelID(1))) == .failure(.wrongChannelState))
        #expect(
            world.apply(.fundChannel(ChannelID(1), total: 900_000))
                == .failure(.wrongChannelState))
        let key = World.channel(one).key
        #expect(world.house.channels[0].rest == 70_000 && !world.house.channels[0].isOver)
        world.observe(.channelMoved(key, .withdrawing))
        #expect(
            world.apply(
                .observeChain(world.nextReference(), .channelMoved(key, .withdrawn(100_001))))
                == .failure(.invalidAmount))
        world.observe(.channelMoved(key, .withdrawn(70_000)))
        #expect(world.house.channels[0].isOver && world.house.channels[0].balance == 30_000)
        // The next one is another.
        world.openChannel(one, number: 2)
        due(1, in: &world)
        world.run(.settle(World.vouching()))
        #expect(world.house.channels.map(\.promised) == [30_000, 10_000])
    }

    @Test func whoGivesTheDepositBackWantsNone() {
        var world = World()
        world.openChannel(one)
        let key = World.channel(one).key
        world.observe(.channelMoved(key, .refunded(60_000)))
        #expect(world.house.party(one)?.payout.channel == nil)
        #expect(world.house.channels[0].balance == 40_000)
        due(1, in: &world)
        world.run(.settle(World.vouching()))
        #expect(world.house.channels[0].promised == 0)
        // The payer is taking back what the payee gives back meanwhile: nothing is left to take.
        world.run(.closeChannel(ChannelID(1)))
        world.observe(.channelMoved(key, .withdrawing))
        #expect(!world.house.channels[0].isOver)
        world.observe(.channelMoved(key, .refunded(40_000)))
        #expect(world.house.channels[0].isOver)
    }

    /// Somebody else has the payer's key: what was claimed too much comes off what is due later.
    @Test func whatWasClaimedTooMuchIsSetOff() {
        var world = World()
        world.openChannel(one)
        due(3, in: &world)
        world.run(.settle(World.vouching()))
        let reference = world.nextReference()
        let events = world.run(.observeChain(reference, claim(70_000, 70_000)))
        #expect(events.contains(.channelOverclaimed(ChannelID(1), units: 40_000)))
        #expect(held(world, .payable, World.payer) == 3 && held(world, .inTransit, one) == 0)
        #expect(world.house.channels[0].room == 30_000)
        var other = world
        other.run(.reverseChain(reference, claim(70_000, 70_000), previous: nil))
        #expect(held(other, .inTransit, one) == 3 && held(other, .payable, World.payer) == 0)
        due(2, in: &world)
        world.run(.settle(World.vouching()))
        #expect(held(world, .payable, World.payer) == 5 && held(world, .inTransit, one) == 0)
        #expect(world.house.channels[0].promised == 50_000)
        due(3, in: &world)
        world.run(.settle(World.vouching()))
        #expect(held(world, .payable, World.payer) == 7 && held(world, .inTransit, one) == 1)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    @Test func aClaimThatIsGoneIsReservedAgain() throws {
        var world = World()
        world.openChannel(one)
        let before = world.nextReference()
        world.run(.observeChain(before, .deposited(account: World.address(6), chainUnits: 7)))
        due(3, in: &world)
        world.run(.settle(World.vouching()))
        world.observe(claim(10_000, 10_000))
        let owed = world.house.owed(.usd)
        let last = world.nextReference()
        world.run(.observeChain(last, claim(30_000, 20_000)))
        #expect(held(world, .payable, World.payer) == 3)
        let previous = ChainReference(
            chain: 31337, block: last.block - 1, logIndex: 0,
            blockHash: World.digest(last.block - 1), transaction: World.digest(0))
        world.run(.reverseChain(last, claim(30_000, 20_000), previous: previous))
        #expect(held(world, .inTransit, one) == 2 && held(world, .payable, World.payer) == 1)
        #expect(world.house.channels[0].claimed == 10_000)
        #expect(world.house.channels[0].waitingSince != nil)
        #expect(world.house.owed(.usd) == owed)
        // What the chain has in its place is booked.
        let again = world.nextReference()
        world.run(.observeChain(again, claim(30_000, 20_000)))
        // The payer has turned its claim into a leaf: nobody can lend it, so nothing is reversed.
        world.run(.settle(World.vouching { $0.refundAbove = .zero }))
        #expect(
            world.apply(.reverseChain(again, claim(30_000, 20_000), previous: previous))
                == .failure(.insufficientBalance))
        #expect(world.house.channels[0].claimed == 30_000)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    @Test func aDepositThatIsGoneIsNoRoom() {
        var world = World()
        world.openChannel(one)
        let key = World.channel(one).key
        let moves: [ChannelMove] = [.withdrawing, .withdrawn(60_000)]
        var references: [ChainReference] = []
        for move in moves {
            let reference = world.nextReference()
            world.run(.observeChain(reference, .channelMoved(key, move)))
            references.append(reference)
        }
        #expect(world.house.channels[0].room == 40_000)
        world.run(
            .reverseChain(
                references[1], .channelMoved(key, moves[1]), previous: references[0]))
        #expect(world.house.channels[0].isWithdrawing && world.house.channels[0].room == 0)
        let deposit = ChainReference(
            chain: 31337, block: references[0].block - 1, logIndex: 0,
            blockHash: World.digest(references[0].block - 1), transaction: World.digest(0))
        world.run(
            .reverseChain(references[0], .channelMoved(key, moves[0]), previous: deposit))
        #expect(world.house.channels[0].room == 100_000)
        world.run(
            .reverseChain(deposit, .channelMoved(key, .deposited(100_000)), previous: nil))
        #expect(world.house.channels[0].room == 0 && world.house.channels[0].openDeposit > 0)
    }

    /// The chain may have it in another block, so the channel's logs are still wanted.
    @Test func aClosedChannelWaitsForADepositThatIsGone() {
        var world = World()
        world.openChannel(one)
        let key = World.channel(one).key
        let reference = ChainReference(
            chain: 31337, block: world.block, logIndex: 0, blockHash: World.digest(world.block),
            transaction: World.digest(0))
        world.run(.closeChannel(ChannelID(1)))
        let deposit = ChainObservation.channelMoved(key, .deposited(100_000))
        world.run(.reverseChain(reference, deposit, previous: nil))
        #expect(!world.house.channels[0].isOver && world.house.channels[0].openDeposit == 0)
        world.observe(deposit)
        #expect(!world.house.channels[0].isOver)
        world.observe(.channelMoved(key, .withdrawn(100_000)))
        #expect(world.house.channels[0].isOver)
    }

    // MARK: Bytes

    @Test func withoutChannelsTheBytesAreThoseOfBefore() throws {
        let zero = Array(repeating: UInt8(0), count: 16)
        #expect(PayoutSettings().canonicalBytes() == [0] + zero)
        let owner = World.digest(7)
        #expect(PayoutSettings(solana: owner).canonicalBytes() == [1] + owner.bytes + zero)
        let both = PayoutSettings(solana: owner, keep: Amount(3), channel: World.address(8))
        #expect(try PayoutSettings(canonicalBytes: both.canonicalBytes()) == both)
        #expect(throws: CodecError.self) { try PayoutSettings(canonicalBytes: [4] + zero) }
        // The settlements of a house without channels have no place for them.
        var world = World()
        due(3, in: &world)
        var other = world
        world.run(.settle(World.quotes()))
        other.run(.settle(World.vouching()))
        #expect(world.house.channels.isEmpty)
        #expect(
            other.house.canonicalBytes().count == world.house.canonicalBytes().count + 4)
        #expect(try world.house.restored().canonicalBytes() == world.house.canonicalBytes())
        #expect(try other.house.restored().canonicalBytes() == other.house.canonicalBytes())
    }

    @Test func aHouseIsReadBackWithItsChannels() throws {
        var world = World()
        world.openChannel(one)
        world.openChannel(PartyID(2), deposit: 7)
        due(3, in: &world)
        world.run(.settle(World.vouching()))
        world.run(
            .bookCost(
                ChainCost(
                    .channel(ChannelID(1)), .wei, units: 9, gas: 3,
                    transaction: World.digest(1).bytes)))
        world.observe(claim(10_000, 10_000))
        var copy = world
        copy.house = try world.house.restored()
        #expect(copy.house.canonicalBytes() == world.house.canonicalBytes())
        #expect(copy.house.channels == world.house.channels)
        #expect(copy.house.channel(key: World.channel(one).key)?.promised == 30_000)
        #expect(copy.house.costs(of: .channel(ChannelID(1))).count == 1)
        for command: Command in [
            .fundChannel(ChannelID(1), total: 200_000), .closeChannel(ChannelID(2)),
            .openChannel(World.channel(one)), .closeChannel(ChannelID(1)),
        ] {
            #expect(copy.apply(command) == world.apply(command))
        }
        let tags = [
            Command.openChannel(World.channel(one)), .fundChannel(ChannelID(1), total: 5),
            .closeChannel(ChannelID(1)),
        ].map { $0.canonicalBytes()[0] }
        #expect(tags == [76, 77, 78])
    }

    // MARK: Walks

    /// Whatever happens: what is promised only grows and lies in the channel, what is reserved is
    /// what is promised and not claimed, and a replay gives the same.
    @Test(arguments: UInt64(1)...15)
    func whateverHappens(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var world = World()
        let start = world.house
        let already = world.accepted.count
        world.openChannel(one)
        due(1, in: &world)
        world.run(.settle(World.vouching()))
        for _ in 0..<400 {
            let before = world.house.channels
            let party = PartyID(1 + random.below(4))
            switch random.below(5) {
            case 0: due(UInt128(1 + random.below(4)), in: &world, to: party)
            case 1:
                _ = world.apply(.settle(World.vouching()))
                for sent in world.house.openDispersals {
                    world.observe(.dispersed(name: sent.name))
                }
            case 2:
                // Refused while nothing is promised, or the epoch runs on.
                let books = World.books(UInt64(world.accepted.count))
                _ = world.apply(.sealVouchers(world.house.unsealedVouchers, books: books))
                _ = world.apply(.closeEpoch)
                world.house = try world.house.restored()
            default: _ = world.apply(world.channelCommand(&random))
            }
            for (old, new) in zip(before, world.house.channels) {
                #expect(new.promised >= old.promised)
                if new.promised > old.promised {
                    #expect(new.promised <= new.balance)
                    #expect(!new.isClosing && !new.isWithdrawing)
                }
                if new.isClosing, !old.isClosing { #expect(old.unclaimed == 0) }
            }
            let sent = world.house.sentUnits(.usd)
            for party in world.house.parties {
                let allotted = party.allotted(.usd)
                let held = Asset.usd.chainUnits(world.balance(.inTransit, party.id))
                #expect(held == (sent[party.id] ?? 0) + allotted)
            }
            #expect(world.house.ledger.checkInvariants().isEmpty)
        }
        #expect(world.house.channels.contains { $0.promised > 0 })
        #expect(!world.house.voucherSeals.isEmpty)
        var replay = start
        for (command, time) in world.accepted.dropFirst(already) {
            let copy = try Command(canonicalBytes: command.canonicalBytes())
            _ = replay.apply(copy, at: time)
        }
        #expect(replay.canonicalBytes() == world.house.canonicalBytes())
    }
}
