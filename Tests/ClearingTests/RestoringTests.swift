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
        return copy
    }
}

/// What follows from a house's records is there again when it is read back. `RandomWalkTests`
/// compares whole histories.
@Suite struct RestoringTests {
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
