import Clearing
import ClearingWorld
import Primitives
import Testing

/// A party's line is found by halving: the same one that a look at each line finds.
@Suite struct BatchLinesTests {
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func aLineIsFoundAsIfAllWereLookedAt(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var lines: [BatchLine] = []
        for party in 1...UInt64(40) {
            for asset in Asset.allCases where random.below(3) == 0 {
                lines.append(
                    BatchLine(
                        party: PartyID(party), address: World.address(UInt8(party)), asset: asset,
                        cumulative: UInt128(random.next())))
            }
        }
        for party in UInt64(0)...42 {
            for asset in Asset.allCases {
                let plain = lines.first { $0.party == PartyID(party) && $0.asset == asset }
                #expect(lines.line(of: PartyID(party), in: asset) == plain)
            }
        }
        #expect([BatchLine]().line(of: PartyID(1), in: .usd) == nil)
    }

    @Test func aBatchHasItsLinesInThatOrder() throws {
        var world = World()
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        world.run(.cutBatch)
        let batch = try #require(world.house.batches.first)
        #expect(batch.lines.line(of: World.buyer, in: .usd)?.cumulative == 1_000_000)
        #expect(batch.lines.line(of: World.buyer, in: .tly) == nil)
    }
}
