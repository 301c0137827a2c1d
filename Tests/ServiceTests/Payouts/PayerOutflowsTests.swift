import Chains
import Primitives
import Service
import Testing

/// What left the payer's account, held against what the house sent.
@Suite struct PayerOutflowsTests {
    private static let now = Timestamp(seconds: 1_000)

    private func account(_ number: UInt8) throws -> EVMAddress {
        try #require(EVMAddress([UInt8](repeating: number, count: 20)))
    }

    private func flow(
        _ transaction: UInt64, _ units: UInt128, to receiver: UInt8 = 7, _ asset: Asset = .usd
    ) throws -> TokenOutflow {
        TokenOutflow(
            asset, units: units, to: try account(receiver), block: transaction,
            transaction: Digest(words: (0, 0, 0, transaction)))
    }

    private func name(_ transaction: UInt64) -> Digest { Digest(words: (0, 0, 0, transaction)) }

    /// Chain, books and explained of an asset.
    private func line(
        _ outflows: PayerOutflows, _ asset: Asset = .usd, since start: Timestamp = now
    ) -> [UInt128] {
        outflows.lines(since: start).filter { $0.asset == asset }
            .flatMap { [$0.chain, $0.books, $0.explained] }
    }

    @Test func whatTheHouseSentIsInTheBooks() throws {
        var outflows = PayerOutflows(of: try account(1), from: 5)
        // A dispersal to three, one of tallies, and one that goes to the house's own vault.
        outflows.take(
            [
                try flow(6, 10), try flow(6, 20, to: 8), try flow(6, 30, to: 9),
                try flow(7, 99, to: 3, .tly), try flow(8, 40, to: 2),
            ], upTo: 100, at: Self.now, places: [try account(2)]
        ) { [name(6), name(7)].contains($0) }
        #expect(line(outflows) == [100, 60, 40] && line(outflows, .tly) == [99, 99, 0])
        #expect(outflows.unordered(since: Self.now) == [])
        #expect(outflows.nextBlock == 101 && outflows.items == [])
        let bytes = outflows.canonicalBytes()
        #expect(try PayerOutflows(canonicalBytes: bytes) == outflows)
    }

    @Test func whatNobodyOrderedStaysUntilSomebodyKnowsIt() throws {
        var outflows = PayerOutflows(of: try account(1), from: 5)
        outflows.take(
            [try flow(6, 10), try flow(6, 5, to: 8), try flow(9, 70, to: 4)], upTo: 10,
            at: Self.now, places: []
        ) { _ in false }
        let items = outflows.unordered(since: Self.now)
        #expect(items.map(\.units) == [15, 70])
        #expect(items.map(\.receiver) == [nil, try account(4)])
        #expect(line(outflows) == [85, 0, 0])
        // What was seen just now may be the house's.
        let before = Timestamp(seconds: 999)
        #expect(outflows.unordered(since: before) == [])
        #expect(line(outflows, since: before) == [85, 0, 85])
        let later = Timestamp(seconds: 2_000)
        outflows = try PayerOutflows(canonicalBytes: outflows.canonicalBytes())
        // The books learn of one, and the other turns out to be a treasury.
        outflows.take([], upTo: 10, at: later, places: [try account(4)]) { $0 == name(6) }
        #expect(outflows.items == [] && line(outflows) == [85, 15, 70])
        #expect(outflows.nextBlock == 11)
    }

    @Test func whatTheChainHasNoLongerIsForgotten() throws {
        var outflows = PayerOutflows(of: try account(1), from: 5)
        outflows.take(
            [try flow(6, 10), try flow(9, 70)], upTo: 20, at: Self.now, places: []
        ) { _ in false }
        outflows.rewind(to: 9)
        #expect(outflows.nextBlock == 9 && outflows.items.map(\.units) == [10])
        outflows.rewind(to: 30)
        #expect(outflows.nextBlock == 9)
        outflows.take([try flow(10, 3)], upTo: 20, at: Self.now, places: []) { _ in false }
        #expect(line(outflows) == [13, 0, 0] && outflows.nextBlock == 21)
    }

    @Test func whatANodeMakesUpIsNoReasonToTrap() throws {
        var outflows = PayerOutflows(of: try account(1), from: 0)
        for _ in 0..<2 {
            outflows.take(
                [
                    try flow(1, .max), try flow(1, .max), try flow(2, .max, to: 2),
                    try flow(3, .max, to: 5), try flow(4, 1),
                ], upTo: 10, at: Self.now, places: [try account(2)]
            ) { $0 == name(3) }
        }
        #expect(line(outflows).first == .max)
        let differences = outflows.lines(since: Self.now).map(\.difference)
        #expect(differences.count == 2 && differences[1] == 0)
    }

    /// What was seen lately may be on its way into the books; with nothing overdue there is no
    /// waiting.
    @Test func whatWasSeenLatelyMayBeTheHouses() {
        let now = Timestamp(seconds: 5_000)
        let hour = Timestamp.Span.seconds(3_600)
        func known(_ isBusy: Bool, _ overdue: Timestamp.Span) -> Timestamp {
            PayerOutflows.known(at: now, isBusy: isBusy, overdue: overdue)
        }
        #expect(known(false, hour) == Timestamp(seconds: 4_940))
        #expect(known(true, hour) == Timestamp(seconds: 4_400))
        #expect(known(true, .seconds(7)) == Timestamp(seconds: 4_993))
        #expect(known(true, .seconds(0)) == now && known(false, .seconds(0)) == now)
        #expect(PayerOutflows.known(at: .zero, isBusy: true, overdue: hour) == .zero)
    }

    @Test func twoTokensOfOneTransactionAreTwo() throws {
        var outflows = PayerOutflows(of: try account(1), from: 0)
        outflows.take(
            [try flow(6, 10), try flow(6, 3, .tly), try flow(6, 4, .tly)], upTo: 9, at: Self.now,
            places: []
        ) { _ in false }
        #expect(outflows.items.map(\.asset) == [.usd, .tly])
        #expect(outflows.items.map(\.units) == [10, 7])
        #expect(line(outflows) == [10, 0, 0] && line(outflows, .tly) == [7, 0, 0])
    }

    @Test func accountsAreComparedTogether() throws {
        var (old, new) = (
            PayerOutflows(of: try account(1), from: 0), PayerOutflows(of: try account(2), from: 0)
        )
        #expect(PayerOutflows.lines([], since: Self.now).map(\.chain) == [0, 0])
        old.take([try flow(1, 5), try flow(2, 7)], upTo: 9, at: Self.now, places: []) {
            $0 == name(1)
        }
        new.take(
            [try flow(3, 11, to: 3), try flow(4, 2, .tly)], upTo: 9, at: Self.now,
            places: [try account(3)]
        ) { _ in false }
        let lines = PayerOutflows.lines([old, new], since: Self.now)
        #expect(lines.map(\.asset) == Asset.allCases)
        #expect(lines.allSatisfy { $0.check == .payerSent })
        #expect(lines.map(\.chain) == [23, 2] && lines.map(\.books) == [5, 0])
        #expect(lines.map(\.explained) == [11, 0])
    }

    @Test func thousandsOfThemAreKeptAsASum() throws {
        var outflows = PayerOutflows(of: try account(1), from: 0)
        let most = UInt64(PayerOutflows.mostItems)
        outflows.take(
            try (1...most + 500).map { try flow($0, 2) }, upTo: 10_000, at: Self.now, places: []
        ) { _ in false }
        #expect(outflows.items.count == PayerOutflows.mostItems)
        #expect(line(outflows) == [UInt128(2 * (most + 500)), 0, 0])
        #expect(outflows.items.map(\.receiver).allSatisfy { $0 != nil })
        outflows = try PayerOutflows(canonicalBytes: outflows.canonicalBytes())
        // What is a sum stays one, whoever turns out to have sent the others.
        outflows.take([], upTo: 10_000, at: Self.now, places: [try account(7)]) { _ in false }
        #expect(line(outflows) == [UInt128(2 * (most + 500)), 0, UInt128(2 * most)])
    }
}
