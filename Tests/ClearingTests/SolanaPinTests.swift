import Clearing
import ClearingWorld
import Primitives
import Testing

/// What the journal knows of the records of what was signed on Solana.
@Suite struct SolanaPinTests {
    private func pin(
        _ count: UInt64, _ hash: UInt64 = 0, owner: String = "a", base: UInt64 = 0
    ) -> Command {
        .pinSolana(
            SolanaPin(
                owner: owner, base: World.digest(base), count: count, hash: World.digest(hash)))
    }

    @Test func aRecordOnlyGrows() {
        var world = World()
        world.run(pin(0))
        world.run(pin(3, 3))
        let before = world.house.canonicalBytes()
        for behind in [pin(2, 3), pin(3, 4), pin(4, 4, base: 1)] {
            #expect(world.apply(behind) == .failure(.recordBehind))
        }
        #expect(world.house.canonicalBytes() == before)
        // The same again is the same.
        #expect(world.apply(pin(3, 3)) == .success([.solanaPinned(count: 3)]))
        #expect(world.house.canonicalBytes().count == before.count)
        world.run(pin(9, 9))
        #expect(world.house.solanaRecords.map(\.pin.count) == [9])
    }

    @Test func eachOwnerHasItsOwnAndTheLastOneIsLast() {
        var world = World()
        world.run(pin(3, 3))
        world.run(pin(1, 1, owner: "b", base: 7))
        world.run(.forgetSolana("a", round: 2))
        world.run(pin(4, 4))
        #expect(world.house.solanaRecords.map(\.pin.owner) == ["b", "a"])
        #expect(world.house.solanaRecords.map(\.forgettings) == [0, 2])
        for number in 2..<UInt64(Limits.solanaRecords) { world.run(pin(0, owner: "\(number)")) }
        #expect(world.apply(pin(0, owner: "one more")) == .failure(.limitExceeded))
        world.run(pin(5, 5))
        let long = String(repeating: "x", count: Limits.textBytes + 1)
        #expect(world.apply(pin(0, owner: long)) == .failure(.limitExceeded))
    }

    @Test func roundsOfForgettingGrow() {
        var world = World()
        #expect(world.apply(.forgetSolana("a", round: 1)) == .failure(.recordNotPinned))
        world.run(pin(3, 3))
        #expect(world.apply(.forgetSolana("a", round: 0)) == .failure(.recordBehind))
        world.run(.forgetSolana("a", round: 5))
        #expect(world.apply(.forgetSolana("a", round: 5)) == .failure(.recordBehind))
        world.run(pin(4, 4))
        #expect(world.house.solanaRecords[0].forgettings == 5)
    }

    @Test func aHouseIsReadBackWithThem() throws {
        var world = World()
        let plain = world.house.canonicalBytes()
        world.run(pin(1, 1, owner: "c"))
        for command in [
            pin(3, 3), pin(2, 2, owner: "b"), .forgetSolana("a", round: 7),
        ] { world.run(command) }
        let copy = try world.house.restored()
        #expect(copy.canonicalBytes() == world.house.canonicalBytes())
        #expect(copy.solanaRecords == world.house.solanaRecords)
        #expect(copy.emissionRest == world.house.emissionRest)
        // Without any the bytes are those of before.
        var other = World()
        #expect(other.house.canonicalBytes() == plain)
        other.run(pin(0))
        #expect(other.house.canonicalBytes().count > plain.count)
        for (command, tag) in [(pin(1, 2), 79), (.forgetSolana("a", round: 5), 80)]
            as [(Command, UInt8)]
        {
            let bytes = command.canonicalBytes()
            #expect(bytes[0] == tag)
            #expect(try Command(canonicalBytes: bytes) == command)
        }
    }
}
