import Clearing
import ClearingWorld
import Primitives
import Testing

/// Since when money rests where it is.
@Suite struct RestingTests {
    private let one = PartyID(1)
    private let cent = Amount(10_000_000_000)

    /// A cent more is due to a party; when.
    private func earn(_ party: PartyID, in world: inout World) -> Timestamp {
        world.observe(
            .deposited(account: World.address(UInt8(party.rawValue)), chainUnits: 10_000))
        world.run(.withdraw(party, asset: .usd, amount: cent))
        return world.house.now
    }

    @Test func whatIsUnpaidWaitsSinceTheLastPayment() {
        var world = World()
        #expect(world.house.unpaidSince(.usd, of: one) == nil)
        #expect(world.house.due(one) == .zero)
        let first = earn(one, in: &world)
        #expect(earn(one, in: &world) > first)
        #expect(world.house.unpaidSince(.usd, of: one) == first)
        #expect(world.house.due(one)[.usd] == Amount(2 * cent.units))
        #expect(world.house.unpaidSince(.tly, of: one) == nil)
        // It is sent, time and again, and the next cent counts anew.
        for _ in 0..<2 {
            world.run(.settle(World.quotes()))
            #expect(world.house.unpaidSince(.usd, of: one) == nil)
            _ = earn(one, in: &world)
        }
        world.openChannel(one)
        world.run(.settle(World.vouching()))
        #expect(world.house.channels[0].promised == 10_000)
        #expect(world.house.unpaidSince(.usd, of: one) == nil)
        let next = earn(one, in: &world)
        #expect(world.house.unpaidSince(.usd, of: one) == next)
        world.run(.cutBatch)
        #expect(world.house.unpaidSince(.usd, of: one) == nil)
        #expect(world.house.due(one) == .zero)
    }

    /// Settlements that set something off and pay only others leave the rest as old as it is.
    @Test func whatIsSetOffIsNoPayment() {
        var world = World()
        let since = earn(one, in: &world)
        _ = earn(one, in: &world)
        world.run(
            .setPayout(one, PayoutSettings(solana: World.digest(7), keep: Amount(cent.units / 2))))
        _ = earn(PartyID(2), in: &world)
        world.run(.settle(World.quotes { $0.solanaFloat = .zero }))
        #expect(world.house.settlements.last?.carried == 1)
        #expect(world.house.due(one)[.usd] == Amount(3 * cent.units / 2))
        #expect(world.house.unpaidSince(.usd, of: one) == since)
        world.run(.settle(World.quotes()))
        #expect(world.house.unpaidSince(.usd, of: one) == nil)
    }

    @Test func whatNobodyTakesRestsSinceItCame() {
        var world = World()
        let party = PartyID(9)
        #expect(world.house.untouchedSince(.available, .usd, of: party) == nil)
        world.observe(.bonded(account: World.address(9), chainUnits: 50))
        let came = world.house.now
        let id = world.house.party(address: World.address(9))?.id ?? .none
        world.observe(.bonded(account: World.address(9), chainUnits: 1))
        #expect(world.house.untouchedSince(.bonded, .usd, of: id) == came)
        world.observe(.unbondRequested(account: World.address(9), chainUnits: 20))
        let asked = world.house.now
        world.observe(.bonded(account: World.address(9), chainUnits: 1))
        #expect(world.house.untouchedSince(.bonded, .usd, of: id) == asked)
        #expect(world.house.untouchedSince(.unbonding, .usd, of: id) == asked)
    }
}
