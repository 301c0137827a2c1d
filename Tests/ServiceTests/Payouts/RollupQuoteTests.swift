import Chains
import Clearing
import Service
import Testing

/// What a rollup charges, of what its nodes tell.
@Suite struct RollupQuoteTests {
    private typealias Kind = RollupQuote.Kind
    private static let two = Quorum(needed: 2)

    /// Each kind's fee in wei.
    private func all(_ fee: UInt128) -> [Kind: UInt128] {
        Dictionary(uniqueKeysWithValues: Kind.allCases.map { ($0, fee) })
    }

    private func quote(_ told: [Kind: UInt128]..., price: UInt128 = 10) -> RollupQuote? {
        RollupQuote(told, Self.two, price: price)
    }

    @Test func feesAreSoMuchGasMore() throws {
        var told = all(1_000)
        told[.push] = 601
        told[.pushMany] = 601 + 499 * 30
        let quote = try #require(self.quote(told, told))
        let (plain, table) = (GasTable(), quote.table(GasTable()))
        #expect(table.commit == plain.commit + 100)
        #expect(table.activate == plain.activate + 100)
        #expect(table.claim == plain.claim + 100)
        // 61 and 1,558 gas: three for each payee, and what is left for the first.
        #expect(table.payee == plain.payee + 3)
        #expect(table.dispersal == plain.dispersal + 58)
        #expect(quote.deposit == ChannelReckoning.depositGas + 100)
        #expect(quote.voucher == ChannelReckoning.claimGas + 200)
        // A push to one that costs more than one to many is no reason to trap.
        told[.push] = .max
        let odd = try #require(self.quote(told, told)).table(plain)
        #expect(odd.payee == plain.payee && odd.dispersal == plain.dispersal + 1_000_000_000_000)
        #expect(self.quote(told, told, price: 0) != nil)
    }

    @Test func whatTwoNodesHaveReachedCounts() throws {
        let quote = try #require(self.quote(all(.max), all(40), all(30)))
        #expect(quote.table(GasTable()).commit == GasTable().commit + 4)
        #expect(self.quote(all(40)) == nil)
        #expect(self.quote(all(40), [:]) == nil)
        #expect(self.quote() == nil)
    }

    /// That there is nothing to charge is a word like another.
    @Test func aChainWithoutFeesIsAsItsTableSays() throws {
        let none = try #require(self.quote([:], [:], all(9)))
        #expect(none.tellsSettling && none.tellsChannels)
        #expect(none.table(GasTable()) == GasTable())
        #expect(none.deposit == ChannelReckoning.depositGas)
        // Two that quote are no fewer than two that do not.
        let both = try #require(self.quote([:], all(20), [:], all(20)))
        #expect(both.deposit == ChannelReckoning.depositGas + 2)
    }

    /// A node that fails for one sample keeps its word on the others.
    @Test func eachKindIsAgreedOnByItself() throws {
        var short = all(20)
        short[.voucher] = nil
        let quote = try #require(self.quote(all(20), short))
        #expect(quote.tellsSettling && !quote.tellsChannels)
        #expect(quote.table(GasTable()).claim == GasTable().claim + 2)
        var other = all(20)
        other[.commit] = nil
        let half = try #require(self.quote(all(20), other))
        #expect(!half.tellsSettling && half.tellsChannels)
        #expect(half.table(GasTable()) == GasTable())
    }
}
