import Clearing
import ClearingWorld
import Primitives
import Testing

/// Under which books vouchers are signed: fixed once for each sum.
@Suite struct VoucherSealingTests {
    /// A world in which two providers are promised something.
    private func world() -> World {
        var world = World()
        for party in 1...2 { world.openChannel(PartyID(UInt64(party))) }
        world.promise()
        return world
    }

    private func sum(_ channel: UInt64, _ cumulative: UInt128) -> VoucherSum {
        VoucherSum(ChannelID(channel), cumulative: cumulative)
    }

    @Test func eachSumHasItsBooks() throws {
        var world = world()
        #expect(world.house.hasUnsealedVouchers && world.house.voucherSeals.isEmpty)
        #expect(world.house.unsealedVouchers == [sum(1, 10_000), sum(2, 10_000)])
        let before = world.house.canonicalBytes()
        let events = world.run(.sealVouchers(world.house.unsealedVouchers, books: World.books(7)))
        #expect(
            events == [
                .voucherSealed(ChannelID(1), cumulative: 10_000),
                .voucherSealed(ChannelID(2), cumulative: 10_000),
            ])
        #expect(world.house.seal(ofVouchers: ChannelID(2))?.books == World.books(7))
        #expect(!world.house.hasUnsealedVouchers && world.house.unsealedVouchers.isEmpty)
        #expect(world.house.canonicalBytes() != before)
        // More is promised: that waits for books of its own, and has those of before meanwhile.
        world.promise()
        #expect(world.house.unsealedVouchers == [sum(1, 20_000), sum(2, 20_000)])
        #expect(world.house.seal(ofVouchers: ChannelID(1))?.sum == sum(1, 10_000))
        world.run(.sealVouchers([sum(2, 20_000)], books: World.books(8)))
        #expect(world.house.seal(ofVouchers: ChannelID(1))?.books.sequence == 7)
        #expect(world.house.seal(ofVouchers: ChannelID(2))?.books.sequence == 8)
        #expect(world.house.unsealedVouchers == [sum(1, 20_000)])
        #expect(world.house.seal(ofVouchers: ChannelID(3)) == nil)
        // All of it is in the state.
        let bytes = world.house.canonicalBytes()
        var reader = ByteReader(bytes)
        var again = ClearingHouse()
        try again.restore(from: &reader)
        try reader.finish()
        #expect(again.canonicalBytes() == bytes)
        #expect(again.unsealedVouchers == [sum(1, 20_000)])
        #expect(again.voucherSeals == world.house.voucherSeals)
        // The bit that says so is no part of what is left to emit.
        #expect(again.emissionRest == world.house.emissionRest)
    }

    @Test func whatIsFixedStaysAndNothingElseIs() {
        var world = world()
        func refusal(
            _ sums: [VoucherSum], _ books: LiabilityCommitment = World.books(9)
        ) -> Rejection? {
            let before = world.house.canonicalBytes()
            guard case .failure(let rejection) = world.apply(.sealVouchers(sums, books: books))
            else { return nil }
            #expect(world.house.canonicalBytes() == before)
            return rejection
        }
        for sums in [
            [], [sum(3, 1)], [sum(1, 10_001)], [sum(1, 0)], [sum(2, 10), sum(1, 10)],
            [sum(1, 10), sum(1, 11)],
        ] { #expect(refusal(sums) == .nothingToSeal, "\(sums)") }
        let tooMany = Array(repeating: sum(1, 10_000), count: Limits.openChannels + 1)
        #expect(refusal(tooMany) == .limitExceeded)
        #expect(refusal([sum(1, 10_000)], World.books(9, batch: BatchID(1))) == .wrongBooks)
        world.run(.sealVouchers([sum(1, 10_000)], books: World.books(9)))
        #expect(refusal([sum(1, 10_000)]) == .nothingToSeal)
        #expect(refusal([sum(2, 10_000)], World.books(8)) == .wrongBooks)
        #expect(refusal([sum(2, 10_000)], World.books(9)) == nil)
    }

    @Test func theCommandIsReadAsItWasWritten() throws {
        let command = Command.sealVouchers([sum(1, 5), sum(4, 1 << 90)], books: World.books(3))
        #expect(command.canonicalBytes().first == 87)
        #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
    }
}

extension World {
    /// Earns both providers 10,000 units of dollars, and settles by voucher.
    fileprivate mutating func promise() {
        for party in UInt64(1)...2 {
            observe(.deposited(account: World.address(UInt8(party)), chainUnits: 10_000))
            guard let amount = Asset.usd.amount(chainUnits: 10_000) else { continue }
            run(.withdraw(PartyID(party), asset: .usd, amount: amount))
        }
        run(.settle(World.vouching()))
    }
}
