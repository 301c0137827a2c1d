import Clearing
import ClearingWorld
import Economics
import Primitives
import Testing

/// Under which books dispersals are made: fixed once, and the same ever after.
@Suite struct SealingTests {
    /// A world with so many dispersals, each a withdrawal.
    private func world(_ count: UInt64) -> World {
        var world = World()
        for key in 1...count {
            world.run(
                .payOut(
                    World.buyer, asset: .usd, amount: Amount(1_000_000), key: World.digest(key),
                    quotes: World.quotes()))
        }
        return world
    }

    private func books(_ sequence: UInt64, batch: BatchID = .none) -> LiabilityCommitment {
        World.books(sequence, batch: batch)
    }

    private func seal(_ first: UInt64, _ last: UInt64, _ books: LiabilityCommitment) -> Command {
        .sealDispersals(first: DispersalID(first), last: DispersalID(last), books: books)
    }

    @Test func eachRunHasItsBooksAndThoseBeforeTheFirstHaveNone() throws {
        var world = world(7)
        let events = world.run(seal(2, 3, books(10)))
        #expect(events == [.dispersalsSealed(DispersalID(2), DispersalID(3))])
        world.run(seal(4, 4, books(10)))
        world.run(seal(6, 6, books(12)))
        let found = (0...8).map { world.house.books(of: DispersalID($0))?.sequence }
        #expect(found == [nil, nil, 10, 10, 10, nil, 12, nil, nil])
        #expect(world.house.lastSealedDispersal == 6)
        #expect(world.house.books(of: DispersalID(3)) == books(10))
        let bytes = world.house.canonicalBytes()
        var reader = ByteReader(bytes)
        var again = ClearingHouse()
        try again.restore(from: &reader)
        try reader.finish()
        #expect(
            again.canonicalBytes() == bytes && again.dispersalSeals == world.house.dispersalSeals)
        let command = seal(7, 7, books(13))
        #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
        #expect(command.canonicalBytes().first == 86)
    }

    @Test func whatIsFixedStays() {
        var world = world(4)
        #expect(world.apply(seal(1, 5, books(9))) == .failure(.nothingToSeal))
        #expect(world.apply(seal(0, 1, books(9))) == .failure(.nothingToSeal))
        #expect(world.apply(seal(2, 1, books(9))) == .failure(.nothingToSeal))
        world.run(seal(1, 2, books(9)))
        for first: UInt64 in 1...2 {
            #expect(world.apply(seal(first, 3, books(11))) == .failure(.nothingToSeal))
        }
        #expect(world.apply(seal(3, 4, books(8))) == .failure(.wrongBooks))
        #expect(world.apply(seal(3, 4, books(9, batch: BatchID(1)))) == .failure(.wrongBooks))
        #expect(world.house.books(of: DispersalID(3)) == nil)
        world.run(seal(3, 4, books(9)))
        #expect(world.house.dispersalSeals.map(\.last.rawValue) == [2, 4])
    }

    /// A split one's halves are made later, under later books.
    @Test func halvesAreDispersalsOfTheirOwn() throws {
        var world = World()
        for party in UInt64(1)...2 {
            world.observe(
                .deposited(account: World.address(UInt8(party)), chainUnits: 10_000))
            world.run(
                .withdraw(
                    PartyID(party), asset: .usd,
                    amount: try #require(
                        Asset.usd.amount(chainUnits: 10_000))))
        }
        world.run(.settle(World.quotes()))
        world.run(seal(1, 1, books(5)))
        world.run(.splitDispersal(DispersalID(1)))
        #expect(world.house.dispersals.count == 3 && world.house.lastSealedDispersal == 1)
        world.run(seal(2, 3, books(6)))
        #expect(world.house.books(of: DispersalID(3))?.sequence == 6)
    }
}
