import Clearing
import ClearingWorld
import Ledger
import Primitives
import Testing

/// A party's credits and debits are netted before anything is paid out.
@Suite struct NettingTests {
    private let dollar = World.dollar.units

    @Test func whatABuyerEarnsFillsWhatItSpends() throws {
        var world = World()
        world.observe(.deposited(account: World.address(1), chainUnits: 10_000_000))
        world.run(.withdraw(PartyID(1), asset: .usd, amount: Amount(8 * dollar)))
        world.run(.setPayout(PartyID(1), PayoutSettings(keep: Amount(5 * dollar))))
        world.run(.settle(World.quotes()))
        #expect(world.balance(.available, PartyID(1)) == Amount(5 * dollar))
        #expect(world.balance(.inTransit, PartyID(1)) == Amount(5 * dollar))
        #expect(world.house.settlements.last?.netted == Amount(3 * dollar))
        // Nothing is paid out if the rest is nothing, and so nothing is netted either.
        world.run(.withdraw(PartyID(1), asset: .usd, amount: Amount(dollar)))
        #expect(world.apply(.settle(World.quotes())) == .failure(.nothingToSettle))
        #expect(world.balance(.payable, PartyID(1)) == Amount(dollar))
    }

    @Test func whatLeftTheChainBeyondTheBooksIsTakenFromWhatIsEarned() throws {
        var world = World()
        world.observe(.deposited(account: World.address(2), chainUnits: 9_000_000))
        world.run(.withdraw(PartyID(2), asset: .usd, amount: Amount(dollar)))
        world.run(.settle(World.quotes()))
        // Its bond in the books is 100 dollars; the contract let 103 go.
        world.observe(.bondWithdrawn(account: World.address(2), chainUnits: 103_000_000))
        #expect(world.house.party(PartyID(2))?.debt == Amount(3 * dollar))
        world.run(.withdraw(PartyID(2), asset: .usd, amount: Amount(5 * dollar)))
        // On demand the debt is no more to be had than at the end of an epoch.
        #expect(
            world.apply(
                .payOut(
                    PartyID(2), asset: .usd, amount: Amount(6 * dollar), key: World.digest(1),
                    quotes: World.quotes())) == .failure(.insufficientBalance))
        world.run(.settle(World.quotes()))
        #expect(world.house.party(PartyID(2))?.debt == .zero)
        #expect(world.balance(.insurance) == Amount(3 * dollar))
        #expect(world.house.dispersals.last?.payments.map(\.units) == [2_000_000])
    }

    /// Whatever is earned, owed and wanted: credits are what was repaid, kept, sent, allotted and
    /// left, to the unit.
    @Test(arguments: UInt64(1)...20)
    func nothingIsLostAndNothingIsMade(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var world = World()
        world.run(
            .settleSomething(&world, for: PartyID(1)))
        for round in 0..<30 {
            for party in UInt64(1)...4 {
                let units = UInt128(1 + random.below(9_000_000))
                world.observe(
                    .deposited(account: World.address(UInt8(party)), chainUnits: units))
                let most = world.balance(.available, PartyID(party)).units
                let amount = UInt128(random.below(UInt64(most))) + 1
                world.run(.withdraw(PartyID(party), asset: .usd, amount: Amount(amount)))
                let keep = Amount(UInt128(random.below(12)) * dollar)
                let owner = random.below(2) == 0 ? World.digest(party) : nil
                world.run(.setPayout(PartyID(party), PayoutSettings(solana: owner, keep: keep)))
                if random.below(4) == 0 {
                    let bond = world.balance(.bonded, PartyID(party))
                    let more = Asset.usd.chainUnits(bond) + UInt128(random.below(900_000)) + 1
                    world.observe(
                        .bondWithdrawn(account: World.address(UInt8(party)), chainUnits: more))
                }
            }
            let before = world
            let pushes = random.below(3) != 0
            guard
                case .success = world.apply(
                    .settle(
                        World.quotes { quotes in
                            if !pushes { quotes.pushFloat = nil }
                            if round % 2 == 0 { quotes.bearing = .everyone }
                        }))
            else { continue }
            for party in (UInt64(1)...4).map(PartyID.init) {
                func grown(_ purpose: Purpose) -> UInt128 {
                    world.balance(purpose, party).units &- before.balance(purpose, party).units
                }
                let spent =
                    before.balance(.payable, party).units
                    - world.balance(.payable, party).units
                let repaid = debt(before, party) - debt(world, party)
                #expect(spent == repaid + grown(.available) + grown(.inTransit))
                let keep = world.house.party(party)?.payout.keep ?? .zero
                #expect(
                    grown(.inTransit) == 0
                        || (debt(world, party) == 0
                            && world.balance(.available, party) >= keep)
                )
                #expect(grown(.inTransit) % 1_000_000 == 0)
            }
            #expect(world.house.ledger.checkInvariants().isEmpty)
            for dispersal in world.house.openDispersals
            where dispersal.rail == .push && dispersal.isOpen {
                world.observe(.dispersed(name: dispersal.name))
            }
            confirm(&world)
        }
    }

    private func debt(_ world: World, _ party: PartyID) -> UInt128 {
        world.house.party(party)?.debt.units ?? 0
    }

    private func confirm(_ world: inout World) {
        guard let batch = world.house.batches.last, batch.state == .cut else { return }
        let root = World.digest(batch.id.rawValue)
        world.run(.sealBatch(batch.id, root: root))
        world.observe(.rootCommitted(batch: batch.id, root: root))
    }
}

extension Command {
    /// A first settlement by plan, from which on debts are kept.
    fileprivate static func settleSomething(_ world: inout World, for party: PartyID) -> Command {
        world.observe(
            .deposited(account: World.address(UInt8(party.rawValue)), chainUnits: 1_000_000))
        world.run(.withdraw(party, asset: .usd, amount: World.dollar))
        return .settle(World.quotes())
    }
}
