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
    /// says aloud what it cannot.
    @Test func whatWasSpentIsTheHousesLoss() {
        var world = World()
        let stranger = World.address(77)
        var stack: [Booked] = []
        book(.deposited(account: stranger, chainUnits: 5_000_000), in: &world, &stack)
        let party = PartyID(7)
        world.run(.withdraw(party, asset: .usd, amount: dollars(2_000_000)))
        world.run(.cutBatch)
        let events = world.run(reversal(&stack))
        #expect(world.balance(.available, party) == .zero)
        // Two dollars are in a batch, which keeps its root.
        #expect(world.balance(.inTransit, party) == dollars(2_000_000))
        #expect(events.contains(.bondShortfall(party, amount: dollars(2_000_000))))
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// Whatever the chain said, in whatever order: taken back, the balances are those of before.
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func allKindsOfLogsGoBack(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var world = World()
        let job = world.audited { $0.only = [World.whole] }
        world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
        world.run(.withdraw(World.buyer, asset: .usd, amount: dollars(2_000_000)))
        world.run(.cutBatch)
        world.run(.sealBatch(BatchID(1), root: World.digest(4)))
        world.seconds += 1_000
        world.run(.pulse)
        let record = try #require(world.house.verdicts.first)
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
        let before = balances(world)
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
