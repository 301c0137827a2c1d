import Clearing
import ClearingWorld
import Ledger
import Primitives
import Testing

/// What a reorganisation takes out of the chain leaves the books by entries, in reverse order.
@Suite struct ReversalTests {
    private struct Booked {
        let reference: ChainReference
        let observation: ChainObservation
    }

    /// Books a log and remembers it, as the shell does by its journal.
    private func book(
        _ observation: ChainObservation, in world: inout World, _ stack: inout [Booked]
    ) {
        let reference = world.nextReference()
        world.run(.observeChain(reference, observation))
        stack.append(Booked(reference: reference, observation: observation))
    }

    private func reversal(_ stack: inout [Booked]) -> Command {
        let last = stack.removeLast()
        return .reverseChain(
            last.reference, last.observation, previous: stack.last?.reference)
    }

    private func dollars(_ micros: UInt128) -> Amount {
        Asset.usd.amount(chainUnits: micros) ?? .zero
    }

    /// What every account of the house holds.
    private func balances(_ world: World) -> [AccountID: [UInt128]] {
        var found: [AccountID: [UInt128]] = [:]
        for account in world.house.ledger.accounts {
            let net =
                account.creditsPosted.units &- account.debitsPosted.units
            if net != 0 { found[account.id] = [net] }
        }
        return found
    }

    /// What every party holds in dollars, whatever for, and each account of the house.
    private func sums(_ world: World) -> [AccountID: UInt128] {
        var found: [AccountID: UInt128] = [:]
        for account in world.house.ledger.accounts where account.id.asset == .usd {
            let net = account.creditsPosted.units &- account.debitsPosted.units
            let owner = account.id.owner
            let key = owner == .none ? account.id : AccountID(.available, .usd, of: owner)
            found[key, default: 0] &+= net
        }
        return found.filter { $0.value != 0 }
    }

    /// The dollars that the books say are on chain.
    private func mirror(_ world: World) -> Amount {
        let chain = world.house.ledger.account(AccountID(.chain, .usd))
        return (chain?.debitsPosted ?? .zero) - (chain?.creditsPosted ?? .zero)
    }

    @Test func aDepositThatIsGoneIsReversedByAnEntry() {
        var world = World()
        var stack: [Booked] = []
        book(.deposited(account: World.address(6), chainUnits: 1_000_000), in: &world, &stack)
        let before = world.house.ledger.transferCount
        book(.deposited(account: World.address(6), chainUnits: 2_000_000), in: &world, &stack)
        let events = world.run(reversal(&stack))
        #expect(events.count == 1)
        #expect(world.balance(.available, World.buyer) == dollars(11_000_000))
        // Both the deposit and what took it back stay on record.
        #expect(world.house.ledger.transferCount == before + 2)
        #expect(world.house.chainCursor.block == stack[0].reference.block)
        #expect(world.house.chainBlock == stack[0].reference.blockHash)
        // Another block in its place is booked as any other.
        book(.deposited(account: World.address(6), chainUnits: 3_000_000), in: &world, &stack)
        #expect(world.balance(.available, World.buyer) == dollars(14_000_000))
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// Only the last log can be taken back, once, and only as what it was.
    @Test func onlyTheLastLogCanBeTakenBack() {
        var world = World()
        var stack: [Booked] = []
        book(.deposited(account: World.address(6), chainUnits: 1), in: &world, &stack)
        book(.deposited(account: World.address(6), chainUnits: 2), in: &world, &stack)
        let (first, last) = (stack[0], stack[1])
        var other = last.reference
        other.blockHash = World.digest(4_711)
        for command in [
            Command.reverseChain(first.reference, first.observation, previous: nil),
            .reverseChain(other, last.observation, previous: first.reference),
            .reverseChain(last.reference, last.observation, previous: last.reference),
        ] {
            #expect(world.apply(command) == .failure(.notTheLastLog))
        }
        let command = reversal(&stack)
        world.run(command)
        #expect(world.apply(command) == .failure(.notTheLastLog))
    }

    /// Money that was spent meanwhile is with others: they keep it, the house pays what it can, and
    /// says aloud what it cannot. When the same comes again it is credited once in all.
    @Test func whatWasSpentIsTheHousesLossUntilItComesAgain() throws {
        var world = World()
        let stranger = World.address(77)
        var stack: [Booked] = []
        book(.deposited(account: stranger, chainUnits: 5_000_000), in: &world, &stack)
        let party = PartyID(7)
        world.run(.withdraw(party, asset: .usd, amount: dollars(2_000_000)))
        world.run(.cutBatch)
        let before = mirror(world)
        let events = world.run(reversal(&stack))
        #expect(world.balance(.available, party) == .zero)
        // Two dollars are in a batch, which keeps its root.
        #expect(world.balance(.inTransit, party) == dollars(2_000_000))
        #expect(events.contains(.bondShortfall(party, amount: dollars(2_000_000))))
        #expect(world.house.party(party)?.debt == dollars(2_000_000))
        #expect(try world.house.restored().canonicalBytes() == world.house.canonicalBytes())
        // A part of it first, and the rest in another block.
        book(.deposited(account: stranger, chainUnits: 1_500_000), in: &world, &stack)
        #expect(world.balance(.available, party) == .zero)
        #expect(world.house.party(party)?.debt == dollars(500_000))
        book(.deposited(account: stranger, chainUnits: 3_500_000), in: &world, &stack)
        #expect(world.balance(.available, party) == dollars(3_000_000))
        #expect(world.balance(.inTransit, party) == dollars(2_000_000))
        #expect(world.house.party(party)?.debt == .zero && mirror(world) == before)
        // From now on it is as if nothing had been.
        book(.deposited(account: stranger, chainUnits: 1_000_000), in: &world, &stack)
        #expect(world.balance(.available, party) == dollars(4_000_000))
        #expect(try world.house.restored().canonicalBytes() == world.house.canonicalBytes())
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// The house's money goes back to where it came from.
    @Test func whatTheHouseAdvancedIsPaidBack() throws {
        var world = try convicted().world
        let house = [world.balance(.fee), world.balance(.insurance)]
        let held = house[0] + house[1]
        let units = Asset.usd.chainUnits(held) + 3_000_000
        var stack: [Booked] = []
        book(.deposited(account: World.address(77), chainUnits: units), in: &world, &stack)
        let party = PartyID(7)
        world.run(.withdraw(party, asset: .usd, amount: dollars(units)))
        world.run(.settle(World.quotes()))
        #expect(world.balance(.available, party) + world.balance(.payable, party) == .zero)
        let before = mirror(world)
        world.run(reversal(&stack))
        #expect(world.balance(.fee) == .zero && world.balance(.insurance) == .zero)
        #expect(world.house.party(party)?.debt == dollars(units))
        let missing = dollars(units) - held
        #expect(mirror(world) == before - held)
        // Another's deposit is its own.
        book(.deposited(account: World.address(78), chainUnits: units), in: &world, &stack)
        #expect(world.balance(.available, PartyID(8)) == dollars(units))
        // A bond is no deposit: on chain it is all there.
        book(.bonded(account: World.address(77), chainUnits: 9_000_000), in: &world, &stack)
        #expect(world.balance(.bonded, party) == dollars(9_000_000))
        book(.deposited(account: World.address(77), chainUnits: units), in: &world, &stack)
        #expect([world.balance(.fee), world.balance(.insurance)] == house)
        #expect(world.balance(.available, party) == .zero)
        #expect(missing > .zero && world.house.party(party)?.debt == .zero)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// What the party earns pays the house too.
    @Test func whatIsEarnedPaysTheAdvance() {
        var world = World()
        var stack: [Booked] = []
        book(.deposited(account: World.address(4), chainUnits: 5_000_000), in: &world, &stack)
        world.run(.withdraw(World.whole, asset: .usd, amount: dollars(5_000_000)))
        world.run(.settle(World.quotes()))
        world.run(reversal(&stack))
        #expect(world.house.party(World.whole)?.debt == dollars(5_000_000))
        _ = world.deliver { $0.only = [World.whole] }
        world.seconds += 1_000
        world.run(.pulse)
        let earned = world.balance(.payable, World.whole)
        let before = mirror(world)
        let insurance = world.balance(.insurance)
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        world.run(.settle(World.quotes()))
        #expect(earned > .zero && world.balance(.payable, World.whole) == .zero)
        #expect(world.house.party(World.whole)?.debt == dollars(5_000_000) - earned)
        // Nobody of the house had paid: it was missing on chain, and is there now.
        #expect(mirror(world) == before - earned && world.balance(.insurance) == insurance)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// A world with a slash that is not on chain and a batch whose root is not.
    private func convicted() throws -> (world: World, record: VerdictRecord) {
        var world = World()
        let job = world.audited { $0.only = [World.whole] }
        world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
        world.run(.withdraw(World.buyer, asset: .usd, amount: dollars(2_000_000)))
        world.run(.cutBatch)
        world.run(.sealBatch(BatchID(1), root: World.digest(4)))
        world.seconds += 1_000
        world.run(.pulse)
        return (world, try #require(world.house.verdicts.first))
    }

    /// Books logs of every kind in a random order.
    private func bookAll(
        _ world: inout World, _ record: VerdictRecord, _ random: inout SplitMix64
    ) -> [Booked] {
        var logs: [ChainObservation] = [
            .deposited(account: World.address(6), chainUnits: 3),
            .deposited(account: World.address(88), chainUnits: 7_000_000),
            .bonded(account: World.address(2), chainUnits: 9),
            .unbondRequested(account: World.address(1), chainUnits: 60_000_000),
            .rootCommitted(batch: BatchID(1), root: World.digest(4)),
            random.below(2) == 0
                ? .slashReleased(verdict: record.slashKey)
                : .slashed(
                    account: World.address(4), chainUnits: Asset.usd.chainUnits(record.captured),
                    burned: Asset.usd.chainUnits(record.burned), verdict: record.slashKey),
        ]
        var stack: [Booked] = []
        while !logs.isEmpty {
            book(logs.remove(at: Int(random.below(UInt64(logs.count)))), in: &world, &stack)
        }
        book(.bondWithdrawn(account: World.address(1), chainUnits: 50_000_000), in: &world, &stack)
        if random.below(2) == 0 {
            book(
                .claimed(account: World.address(6), asset: .usd, chainUnits: 5), in: &world, &stack)
        } else {
            book(.rootDisputed(batch: BatchID(1)), in: &world, &stack)
        }
        return stack
    }

    /// Whatever the chain said, in whatever order: taken back, the balances are those of before.
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func allKindsOfLogsGoBack(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var (world, record) = try convicted()
        let before = balances(world)
        var stack = bookAll(&world, record, &random)
        #expect(balances(world) != before)
        while !stack.isEmpty {
            let command = reversal(&stack)
            #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
            world.run(command)
        }
        #expect(balances(world) == before)
        #expect(!world.house.chainCursor.any && world.house.chainBlock == .zero)
        #expect(world.house.batches[0].state == .sealed)
        #expect(world.house.unsettledSlashes.map(\.id) == [record.id])
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// The same while it is spent: what comes again is credited once in all, to the unit.
    @Test(arguments: 1...24 as ClosedRange<UInt64>)
    func whatComesAgainIsCreditedOnce(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var (world, record) = try convicted()
        var stack = bookAll(&world, record, &random)
        let rich = try #require(world.house.party(address: World.address(88))).id
        let spent = 1 + UInt128(random.below(7_000_000))
        world.run(.withdraw(rich, asset: .usd, amount: dollars(spent)))
        world.run(.settle(World.quotes()))
        let held = sums(world)
        for round in 0..<2 {
            let kept = round * Int(random.below(4))
            var gone: [ChainObservation] = []
            while stack.count > kept {
                gone.append(stack[stack.count - 1].observation)
                world.run(reversal(&stack))
            }
            if round == 0 { #expect(world.house.party(rich)?.debt == dollars(spent)) }
            world.house = try world.house.restored()
            for log in gone.reversed() { book(log, in: &world, &stack) }
            #expect(sums(world) == held)
            #expect(world.house.parties.allSatisfy { $0.debt == .zero })
            #expect(world.house.ledger.checkInvariants().isEmpty)
        }
    }

    /// A disputed root halts batches until its place is taken by one that repeats its claims.
    @Test func aDisputedRootIsReplaced() throws {
        var world = World()
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        world.run(.cutBatch)
        #expect(world.apply(.replaceBatch) == .failure(.wrongBatchState))
        world.run(.sealBatch(BatchID(1), root: World.digest(4)))
        #expect(
            world.apply(.observeChain(world.nextReference(), .rootDisputed(batch: BatchID(1))))
                == .failure(.wrongBatchState))
        world.observe(.rootCommitted(batch: BatchID(1), root: World.digest(4)))
        let events = world.run(
            .observeChain(world.nextReference(), .rootDisputed(batch: BatchID(1))))
        #expect(events == [.batchDisputed(BatchID(1))])
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        #expect(world.apply(.cutBatch) == .failure(.batchOpen))
        world.run(.replaceBatch)
        let batch = try #require(world.house.batches.last)
        #expect(batch.id == BatchID(2) && batch.state == .cut)
        #expect(batch.lines.map(\.cumulative) == [2_000_000])
        #expect(batch.added(.usd) == 1_000_000)
        #expect(world.apply(.replaceBatch) == .failure(.wrongBatchState))
    }

    /// A vetoed slash: the bond is on chain still, so it is in the books again.
    @Test func aVetoedSlashGivesTheBondBack() throws {
        var world = World()
        let job = world.audited { $0.only = [World.whole] }
        world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
        world.seconds += 1_000
        world.run(.pulse)
        let record = try #require(world.house.verdicts.first)
        let bond = world.balance(.bonded, World.whole)
        let events = world.run(
            .observeChain(world.nextReference(), .slashReleased(verdict: record.slashKey)))
        // The bounty was paid; the fee account had nothing to make it good with.
        let lost = events.compactMap { event -> Amount? in
            if case .bondShortfall(_, let amount) = event { amount } else { nil }
        }
        let back = world.balance(.bonded, World.whole) - bond
        #expect(back + (lost.first ?? .zero) == record.captured)
        #expect(back > .zero && world.house.unsettledSlashes.isEmpty)
        #expect(world.balance(.burn) == .zero)
        let again = ChainObservation.slashReleased(verdict: record.slashKey)
        #expect(
            world.apply(.observeChain(world.nextReference(), again))
                == .failure(.malformedVerdict))
    }
}
