import Clearing
import ClearingWorld
import Primitives
import Testing

extension ClearingHouse {
    /// The house as a snapshot gives it back.
    func restored() throws -> ClearingHouse {
        var copy = ClearingHouse()
        var reader = ByteReader(canonicalBytes())
        try copy.restore(from: &reader)
        try reader.finish()
        // The bits that say which parts there are are no part of what is left to emit.
        #expect(copy.emissionRest == emissionRest)
        #expect(copy.canonicalBytes() == canonicalBytes())
        return copy
    }
}

/// What follows from a house's records is there again when it is read back. `RandomWalkTests`
/// compares whole histories.
@Suite struct RestoringTests {
    /// Whichever bit is wrong: the bytes are refused, or say just that. So it is with the bits
    /// that say which parts there are.
    @Test func everyStateHasOneSpelling() throws {
        var world = World()
        world.openChannel(PartyID(1))
        world.observe(.deposited(account: World.address(1), chainUnits: 20_000))
        world.run(.withdraw(PartyID(1), asset: .usd, amount: Amount(10_000_000_000)))
        world.run(.settle(World.vouching()))
        #expect(world.house.channels[0].waitingSince != nil)
        let bytes = world.house.canonicalBytes()
        var read = 0
        for place in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[place] ^= 1 << bit
                var reader = ByteReader(changed)
                var copy = ClearingHouse()
                guard (try? copy.restore(from: &reader)) != nil,
                    (try? reader.finish()) != nil
                else { continue }
                read += 1
                let isSaid = copy.canonicalBytes() == changed
                #expect(isSaid, "bit \(bit) of byte \(place)")
            }
        }
        #expect(read > 0 && read < bytes.count * 8)
    }

    @Test func aJobThatWaitsForADrawIsNotQueuedTwice() throws {
        var world = World()
        let first = world.audited { $0.only = [World.whole] }
        _ = world.deliver { $0.only = [World.whole] }
        #expect(world.house.undrawnCount == 1)
        world.house = try world.house.restored()
        world.run(.recordVerdict(world.verdict(first, .outputMismatch, stage: 0)))
        #expect(world.house.undrawnCount == 1)
    }

    @Test func whatIsNotAHouseIsRefused() throws {
        let world = World()
        let bytes = world.house.canonicalBytes()
        for count in stride(from: 0, to: bytes.count, by: 7) {
            var copy = ClearingHouse()
            var reader = ByteReader(Array(bytes.prefix(count)))
            #expect(throws: CodecError.self) { try copy.restore(from: &reader) }
        }
    }
}
