import Clearing
import ClearingWorld
import Economics
import Ledger
import Primitives
import Testing

/// A slash that finds less bond on chain than the books took, whatever becomes of it there: each
/// cent is charged once, and the books' mirror of the chain is what the chain holds.
@Suite struct SlashesTests {
    private static let provider = PartyID(4)
    private static let account = World.address(4)

    private func dollars(_ micros: UInt128) -> Amount {
        Asset.usd.amount(chainUnits: micros) ?? .zero
    }

    private func mirror(_ world: World) -> Amount {
        let chain = world.house.ledger.account(AccountID(.chain, .usd))
        return (chain?.debitsPosted ?? .zero) - (chain?.creditsPosted ?? .zero)
    }

    private func held(_ world: World) -> [Amount] {
        [.burn, .insurance, .fee].map { world.balance($0) }
            + [.bonded, .unbonding].map { world.balance($0, Self.provider) } + [mirror(world)]
    }

    private func cut(_ record: VerdictRecord, _ taken: UInt128, _ burned: UInt128)
        -> ChainObservation
    {
        .bondCut(
            account: Self.account, chainUnits: taken, burned: burned, verdict: record.slashKey)
    }

    /// Two verdicts that are executed, in a house that has settled by plan. The provider has taken
    /// out so much that half a dollar less than the first one asks for is left on chain.
    private func raced() throws -> (world: World, first: VerdictRecord, second: VerdictRecord) {
        var world = World()
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        world.run(.settle(World.quotes()))
        let jobs = (0..<3).map { _ in world.deliver { $0.only = [Self.provider] } }
        world.run(.drawAudits(beacon: World.digest(7_777)))
        // Evidence here is the job's number: two in a row would have one key.
        for job in [jobs[0], jobs[2]] {
            world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
        }
        world.seconds += 1_000
        world.run(.pulse)
        let (first, second) = (world.house.verdicts[0], world.house.verdicts[1])
        #expect(first.captured == dollars(5_000_000) && second.captured == dollars(4_750_000))
        world.observe(.unbondRequested(account: Self.account, chainUnits: 100_000_000))
        let before = mirror(world)
        let events = world.run(
            .observeChain(
                world.nextReference(),
                .bondWithdrawn(account: Self.account, chainUnits: 95_500_000)))
        let lost = events.contains { if case .bondShortfall = $0 { true } else { false } }
        try #require(!lost)
        #expect(mirror(world) == before - dollars(95_500_000))
        return (world, first, second)
    }

    @Test func eachCentIsChargedOnce() throws {
        var (world, first, second) = try raced()
        // 90.25 were the provider's own; the house lent the rest.
        let lent = dollars(5_250_000)
        #expect(world.house.party(Self.provider)?.debt == lent)
        var chain = mirror(world)
        world.observe(cut(first, 4_500_000, 2_000_000))
        chain = chain - dollars(2_000_000)
        #expect(mirror(world) == chain)
        let burn = world.balance(.burn)
        let insurance = world.balance(.insurance)
        world.run(.forgoSlash(second.id, isRequested: true))
        #expect(mirror(world) == chain)
        #expect(world.balance(.insurance) == insurance + min(burn, second.burned))
        #expect(world.balance(.burn) == burn - min(burn, second.burned))
        #expect(world.house.unsettledSlashes.isEmpty)
        #expect(world.house.heldSlashes.map(\.id) == [second.id])

        // The provider bonds anew, and anybody carries the request out.
        world.observe(.bonded(account: Self.account, chainUnits: 7_000_000))
        let before = held(world)
        world.observe(cut(second, 3_000_000, 1_200_000))
        let parts: [UInt128] = [1_800_000, 3_000_000]
        #expect(world.balance(.burn) == before[0])
        #expect(world.balance(.insurance) == before[1] + dollars(parts[0]))
        #expect(world.balance(.bonded, Self.provider) == before[3] - dollars(parts[1]))
        #expect(mirror(world) == chain + dollars(7_000_000 - 1_200_000))
        #expect(world.house.party(Self.provider)?.debt == lent - dollars(3_000_000))
        #expect(world.house.heldSlashes.isEmpty && world.house.unsettledSlashes.isEmpty)
        #expect(world.house.verdicts[1].state == .forgone)
        #expect(world.apply(.forgoSlash(second.id, isRequested: true)).isMalformed)
        #expect(try world.house.restored().verdicts == world.house.verdicts)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    @Test func whatWasCutGoesBack() throws {
        var (world, first, second) = try raced()
        var stack: [(log: ChainObservation, place: ChainReference, before: [Amount])] = []
        func book(_ log: ChainObservation) {
            let before = held(world)
            let place = world.nextReference()
            world.run(.observeChain(place, log))
            stack.append((log, place, before))
            #expect(held(world) != before)
        }
        book(cut(first, 4_500_000, 2_000_000))
        world.run(.forgoSlash(second.id, isRequested: true))
        book(.bonded(account: Self.account, chainUnits: 7_000_000))
        book(cut(second, 4_750_000, 1_200_000))
        while let (log, place, before) = stack.popLast() {
            let command = Command.reverseChain(place, log, previous: stack.last?.place)
            #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
            if stack.isEmpty {
                // The second one's burn was kept in between: only its bounds are the same.
                world.run(command)
                #expect(mirror(world) == before[5])
            } else {
                world.run(command)
                #expect(held(world) == before)
            }
        }
        #expect(world.house.unsettledSlashes.map(\.id) == [first.id])
        #expect(world.house.heldSlashes.map(\.id) == [second.id])
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// What was never taken is not given back when the request lapses.
    @Test func aForgoneSlashLapsesForNothing() throws {
        var (world, first, second) = try raced()
        world.run(.forgoSlash(second.id, isRequested: true))
        let before = held(world)
        let place = world.nextReference()
        let lapse = ChainObservation.slashReleased(verdict: second.slashKey)
        world.run(.observeChain(place, lapse))
        #expect(held(world) == before && world.house.heldSlashes.isEmpty)
        #expect(world.apply(.observeChain(world.nextReference(), lapse)).isMalformed)
        world.run(.reverseChain(place, lapse, previous: nil))
        #expect(held(world) == before && world.house.heldSlashes.map(\.id) == [second.id])
        // One that the contract never took needs no log.
        world.run(.forgoSlash(first.id, isRequested: false))
        #expect(world.house.heldSlashes.map(\.id) == [second.id])
    }

    /// Written off as houses of before did: carried out all the same, it is the bond that pays.
    @Test func whatWasWrittenOffBeforeIsCutFromTheBond() throws {
        var (world, first, second) = try raced()
        world.observe(cut(first, 4_500_000, 2_000_000))
        world.run(.writeOffSlash(second.id))
        world.observe(.bonded(account: Self.account, chainUnits: 7_000_000))
        let before = held(world)
        world.observe(cut(second, 3_000_000, 1_200_000))
        #expect(world.balance(.burn) == before[0])
        #expect(world.balance(.insurance) == before[1] + dollars(1_800_000))
        #expect(world.balance(.bonded, Self.provider) == before[3] - dollars(3_000_000))
        #expect(mirror(world) == before[5] - dollars(1_200_000))
    }

    @Test func theTagsAreForEver() throws {
        let forgo = Command.forgoSlash(VerdictID(3), isRequested: true)
        #expect(forgo.canonicalBytes() == [90, 3, 0, 0, 0, 0, 0, 0, 0, 1])
        let dropped = ChainObservation.rootDropped(batch: BatchID(2))
        #expect(dropped.canonicalBytes() == [91, 2, 0, 0, 0, 0, 0, 0, 0])
        let cut = ChainObservation.bondCut(
            account: Self.account, chainUnits: 7, burned: 3, verdict: World.digest(1))
        let bytes = cut.canonicalBytes()
        #expect(bytes.count == 1 + 20 + 16 + 16 + 32 && bytes[0] == 90)
        #expect(try ChainObservation(canonicalBytes: bytes) == cut)
        #expect(try ChainObservation(canonicalBytes: dropped.canonicalBytes()) == dropped)
    }
}

/// A root is disputed while the next batch is cut already.
@Suite struct HeldBatchTests {
    /// Two batches of one dollar each, of which the first is on chain.
    private func behind(sealed: Bool) -> World {
        var world = World()
        for number in UInt64(1)...2 {
            world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
            world.run(.cutBatch)
            if number == 1 || sealed {
                world.run(.sealBatch(BatchID(number), root: World.digest(number)))
            }
            if number == 1 {
                world.observe(.rootCommitted(batch: BatchID(1), root: World.digest(1)))
            }
        }
        return world
    }

    @Test(arguments: [false, true]) func aBatchBehindADisputeWaits(sealed: Bool) throws {
        var world = behind(sealed: sealed)
        let next = BatchID(2)
        let was = world.house.batches[1]
        world.observe(.rootDropped(batch: BatchID(1)))
        #expect(world.house.batches.map(\.state) == [.disputed, .held])
        #expect(try world.house.restored().batches == world.house.batches)
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        #expect(world.apply(.cutBatch) == .failure(.batchOpen))
        #expect(
            world.apply(.sealBatch(next, root: World.digest(9))) == .failure(.wrongBatchState))
        #expect(world.run(.replaceBatch) == [.batchReleased(next)])
        #expect(world.house.batches[1] == was && world.house.batches.count == 2)
        #expect(world.apply(.replaceBatch) == .failure(.wrongBatchState))
        if !sealed { world.run(.sealBatch(next, root: World.digest(2))) }
        world.observe(.rootCommitted(batch: next, root: World.digest(2)))
        world.run(.cutBatch)
        #expect(world.house.batches.last?.lines.map(\.cumulative) == [3_000_000])
    }

    /// The dispute is taken out of the chain: so is what it held.
    @Test func aDisputeThatIsGoneHoldsNothing() {
        var world = behind(sealed: true)
        let place = world.nextReference()
        let log = ChainObservation.rootDropped(batch: BatchID(1))
        world.run(.observeChain(place, log))
        world.run(.reverseChain(place, log, previous: nil))
        #expect(world.house.batches.map(\.state) == [.confirmed, .sealed])
    }

    /// A root that was on its way when its batch was held is on chain all the same.
    @Test func theChainDecides() {
        var world = behind(sealed: true)
        world.observe(.rootDropped(batch: BatchID(1)))
        world.observe(.rootCommitted(batch: BatchID(2), root: World.digest(2)))
        #expect(world.house.batches.map(\.state) == [.disputed, .confirmed])
    }

    /// Journals of before say it in another way, and mean what they meant.
    @Test func anOldDisputeHoldsNothing() {
        var world = behind(sealed: true)
        world.observe(.rootDisputed(batch: BatchID(1)))
        #expect(world.house.batches.map(\.state) == [.disputed, .sealed])
    }
}

extension Result<[Event], Rejection> {
    fileprivate var isMalformed: Bool { self == .failure(.malformedVerdict) }
}
