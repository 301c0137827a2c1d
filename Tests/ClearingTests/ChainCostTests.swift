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
