import Clearing
import ClearingWorld
import Ledger
import Primitives
import Testing

/// What a chain charges that is no payment's: slashes, upkeep, and rent that comes back.
@Suite struct ChainCostTests {
    private func transaction(_ number: UInt64) -> [UInt8] { World.digest(number).bytes }

    @Test func aSlashCostsWhatItsTransactionsCost() throws {
        var world = World()
        let job = world.audited { $0.only = [World.whole] }
        world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
        let subject = ChainCost.Subject.verdict(VerdictID(1))
        let costs = (1...2).map {
            ChainCost(
                subject, .wei, units: UInt128($0) * 1_000, gas: 40_000,
                transaction: transaction($0))
        }
        for cost in costs { world.run(.bookCost(cost)) }
        #expect(world.house.costs(of: subject) == costs)
        #expect(world.house.cost(of: transaction(2)) == costs[1])
        #expect(world.house.cost(of: transaction(3)) == nil)
        #expect(world.house.expense(.wei) == Amount(3_000))
        let other = ChainCost(
            .verdict(VerdictID(2)), .wei, units: 1, transaction: transaction(3))
        #expect(world.apply(.bookCost(other)) == .failure(.verdictNotFound))
        let again = ChainCost(.upkeep, .wei, units: 9, transaction: transaction(1))
        #expect(world.apply(.bookCost(again)) == .failure(.costBooked))
        let copy = try world.house.restored()
        #expect(copy.costs(of: subject) == costs)
        #expect(copy.canonicalBytes() == world.house.canonicalBytes())
    }

    /// The cost of saying under which books dispersals were made names the last of them, and covers
    /// those before it that no earlier one covers.
    @Test func statementsOfBooksCoverADispersalEach() throws {
        var world = World()
        for key in 1...6 as ClosedRange<UInt64> {
            world.run(
                .payOut(
                    World.buyer, asset: .usd, amount: Amount(1_000_000), key: World.digest(key),
                    quotes: World.quotes()))
        }
        func books(_ sequence: UInt64) -> LiabilityCommitment {
            LiabilityCommitment(
                batch: .none, sequence: sequence, head: World.digest(sequence), depth: 4,
                totals: .zero, top: World.digest(1_000 + sequence))
        }
        func said(_ last: UInt64, _ number: UInt64) -> Command {
            .bookCost(
                ChainCost(
                    .books(DispersalID(last)), .lamports, units: 5_100,
                    transaction: transaction(number)))
        }
        #expect(world.apply(said(1, 1)) == .failure(.nothingToSeal))
        for (first, last) in [(2, 2), (3, 3), (4, 5)] as [(UInt64, UInt64)] {
            world.run(
                .sealDispersals(
                    first: DispersalID(first), last: DispersalID(last), books: books(10 + last)))
        }
        #expect(world.apply(said(6, 1)) == .failure(.nothingToSeal))
        #expect(world.house.lastStatedDispersal == 0)
        world.run(said(3, 1))
        world.run(said(5, 2))
        // Said again, it is a cost and nothing more.
        world.run(said(3, 3))
        #expect(world.house.lastStatedDispersal == 5)
        let found = (0...6).map { world.house.statement(of: DispersalID($0)) }
        #expect(found.map { $0?.books.sequence } == [nil, nil, 13, 13, 15, 15, nil])
        #expect(
            found.map { $0?.transaction }
                == [nil, nil] + Array(repeating: transaction(1), count: 2)
                + Array(repeating: transaction(2), count: 2) + [nil])
        #expect(world.house.expense(.lamports) == Amount(15_300))
        let copy = try world.house.restored()
        #expect(copy.canonicalBytes() == world.house.canonicalBytes())
        #expect(copy.lastStatedDispersal == 5)
        let command = said(3, 1)
        #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
    }

    @Test func rentThatComesBackIsNoExpense() throws {
        var world = World()
        func cost(
            _ subject: ChainCost.Subject, _ units: UInt128, _ number: UInt64
        ) -> Command {
            .bookCost(
                ChainCost(subject, .lamports, units: units, transaction: transaction(number)))
        }
        #expect(world.apply(cost(.rentReturn, 1, 1)) == .failure(.insufficientBalance))
        world.run(cost(.upkeep, 2_045_000, 1))
        world.run(cost(.rentReturn, 2_034_280, 2))
        #expect(world.house.expense(.lamports) == Amount(10_720))
        #expect(world.apply(cost(.rentReturn, 5, 2)) == .failure(.costBooked))
        #expect(world.apply(cost(.rentReturn, 10_721, 3)) == .failure(.insufficientBalance))
        #expect(world.house.ledger.checkInvariants().isEmpty)
        let totals = world.house.ledger.trialBalance()
        #expect(totals.contains { $0.ledger == NativeCoin.lamports.rawValue && $0.isBalanced })
        let copy = try world.house.restored()
        #expect(copy.expense(.lamports) == Amount(10_720))
        #expect(copy.canonicalBytes() == world.house.canonicalBytes())
    }
}
