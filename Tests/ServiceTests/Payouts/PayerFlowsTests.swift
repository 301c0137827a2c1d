import Chains
import Primitives
import Service
import Testing

/// What left the payer's account, held against what the house sent, and what came to it.
@Suite struct PayerFlowsTests {
    private static let now = Timestamp(seconds: 1_000)

    private func account(_ number: UInt8) throws -> EVMAddress {
        try #require(EVMAddress([UInt8](repeating: number, count: 20)))
    }

    private func flow(
        _ transaction: UInt64, _ units: UInt128, to receiver: UInt8 = 7, _ asset: Asset = .usd
    ) throws -> TokenFlow {
        TokenFlow(
            asset, units: units, from: try account(1), to: try account(receiver),
            block: transaction, transaction: name(transaction))
    }

    private func inflow(
        _ transaction: UInt64, _ units: UInt128, from sender: UInt8 = 7, _ asset: Asset = .usd
    ) throws -> TokenFlow {
        TokenFlow(
            asset, units: units, from: try account(sender), to: try account(1), block: transaction,
            transaction: name(transaction))
    }

    /// What is the house's own, who else pays it, which transactions it sent.
    private func known(
        _ own: UInt8..., senders: [UInt8] = [], sent: [UInt64] = []
    ) throws -> PayerFlows.Known {
        var known = PayerFlows.Known()
        known.own = Set(try own.map { try account($0) })
        known.senders = Set(try senders.map { try account($0) })
        known.sent = Set(sent.map { name($0) })
        return known
    }

    private func name(_ transaction: UInt64) -> Digest { Digest(words: (0, 0, 0, transaction)) }

    /// Chain, books and explained of an asset.
    private func line(
        _ flows: PayerFlows, _ asset: Asset = .usd, since start: Timestamp = now
    ) -> [UInt128] {
        flows.lines(since: start).filter { $0.asset == asset }
            .flatMap { [$0.chain, $0.books, $0.explained] }
    }

    @Test func whatTheHouseSentIsInTheBooks() throws {
        var flows = PayerFlows(of: try account(1), from: 5)
        // A dispersal to three, one of tallies, and one that goes to the house's own vault.
        flows.take(
            [
                try flow(6, 10), try flow(6, 20, to: 8), try flow(6, 30, to: 9),
                try flow(7, 99, to: 3, .tly), try flow(8, 40, to: 2),
            ], upTo: 100, at: Self.now, known: try known(2, sent: [6, 7])
        )
        #expect(line(flows) == [100, 60, 40] && line(flows, .tly) == [99, 99, 0])
        #expect(flows.unordered(since: Self.now) == [])
        #expect(flows.nextBlock == 101 && flows.items == [])
        let bytes = flows.canonicalBytes()
        #expect(try PayerFlows(canonicalBytes: bytes) == flows)
    }

    @Test func whatNobodyOrderedStaysUntilSomebodyKnowsIt() throws {
        var flows = PayerFlows(of: try account(1), from: 5)
        flows.take(
            [try flow(6, 10), try flow(6, 5, to: 8), try flow(9, 70, to: 4)], upTo: 10,
            at: Self.now, known: try known()
        )
        let items = flows.unordered(since: Self.now)
        #expect(items.map(\.units) == [15, 70])
        #expect(items.map(\.other) == [nil, try account(4)])
        #expect(line(flows) == [85, 0, 0])
        // What was seen just now may be the house's.
        let before = Timestamp(seconds: 999)
        #expect(flows.unordered(since: before) == [])
        #expect(line(flows, since: before) == [85, 0, 85])
        let later = Timestamp(seconds: 2_000)
        flows = try PayerFlows(canonicalBytes: flows.canonicalBytes())
        // The books learn of one, and the other turns out to be a treasury.
        flows.take([], upTo: 10, at: later, known: try known(4, sent: [6]))
        #expect(flows.items == [] && line(flows) == [85, 15, 70])
        #expect(flows.nextBlock == 11)
    }

    @Test func whatTheChainHasNoLongerIsForgotten() throws {
        var flows = PayerFlows(of: try account(1), from: 5)
        flows.take(
            [try flow(6, 10), try flow(9, 70)], upTo: 20, at: Self.now, known: try known()
        )
        flows.rewind(to: 9)
        #expect(flows.nextBlock == 9 && flows.items.map(\.units) == [10])
        flows.rewind(to: 30)
        #expect(flows.nextBlock == 9)
        flows.take([try flow(10, 3)], upTo: 20, at: Self.now, known: try known())
        #expect(line(flows) == [13, 0, 0] && flows.nextBlock == 21)
    }

    @Test func whatANodeMakesUpIsNoReasonToTrap() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        for _ in 0..<2 {
            flows.take(
                [
                    try flow(1, .max), try flow(1, .max), try flow(2, .max, to: 2),
                    try flow(3, .max, to: 5), try flow(4, 1),
                ], upTo: 10, at: Self.now, known: try known(2, sent: [3])
            )
        }
        #expect(line(flows).first == .max)
        let differences = flows.lines(since: Self.now).map(\.difference)
        #expect(differences.count == 2 && differences[1] == 0)
    }

    /// What was seen lately may be on its way into the books; with nothing overdue there is no
    /// waiting.
    @Test func whatWasSeenLatelyMayBeTheHouses() {
        let now = Timestamp(seconds: 5_000)
        let hour = Timestamp.Span.seconds(3_600)
        func known(_ isBusy: Bool, _ overdue: Timestamp.Span) -> Timestamp {
            PayerFlows.known(at: now, isBusy: isBusy, overdue: overdue)
        }
        #expect(known(false, hour) == Timestamp(seconds: 4_940))
        #expect(known(true, hour) == Timestamp(seconds: 4_400))
        #expect(known(true, .seconds(7)) == Timestamp(seconds: 4_993))
        #expect(known(true, .seconds(0)) == now && known(false, .seconds(0)) == now)
        #expect(PayerFlows.known(at: .zero, isBusy: true, overdue: hour) == .zero)
    }

    @Test func twoTokensOfOneTransactionAreTwo() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        flows.take(
            [try flow(6, 10), try flow(6, 3, .tly), try flow(6, 4, .tly)], upTo: 9, at: Self.now,
            known: try known()
        )
        #expect(flows.items.map(\.asset) == [.usd, .tly])
        #expect(flows.items.map(\.units) == [10, 7])
        #expect(line(flows) == [10, 0, 0] && line(flows, .tly) == [7, 0, 0])
    }

    @Test func accountsAreComparedTogether() throws {
        var (old, new) = (
            PayerFlows(of: try account(1), from: 0), PayerFlows(of: try account(2), from: 0)
        )
        #expect(PayerFlows.lines([], since: Self.now).map(\.chain) == [0, 0])
        old.take(
            [try flow(1, 5), try flow(2, 7)], upTo: 9, at: Self.now, known: try known(sent: [1]))
        new.take(
            try [flow(3, 11, to: 3), flow(4, 2, .tly)].map {
                TokenFlow(
                    $0.asset, units: $0.units, from: try account(2), to: $0.receiver,
                    block: $0.block, transaction: $0.transaction)
            }, upTo: 9, at: Self.now,
            known: try known(3)
        )
        let lines = PayerFlows.lines([old, new], since: Self.now)
        #expect(lines.map(\.asset) == Asset.allCases)
        #expect(lines.allSatisfy { $0.check == .payerSent })
        #expect(lines.map(\.chain) == [23, 2] && lines.map(\.books) == [5, 0])
        #expect(lines.map(\.explained) == [11, 0])
    }

    @Test func thousandsOfThemAreKeptAsASum() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        let most = UInt64(PayerFlows.mostItems)
        flows.take(
            try (1...most + 500).map { try flow($0, 2) }, upTo: 10_000, at: Self.now,
            known: try known()
        )
        #expect(flows.items.count == PayerFlows.mostItems)
        #expect(line(flows) == [UInt128(2 * (most + 500)), 0, 0])
        #expect(flows.items.map(\.other).allSatisfy { $0 != nil })
        flows = try PayerFlows(canonicalBytes: flows.canonicalBytes())
        // What is a sum stays one, whoever turns out to have sent the others.
        flows.take([], upTo: 10_000, at: Self.now, known: try known(7))
        #expect(line(flows) == [UInt128(2 * (most + 500)), 0, UInt128(2 * most)])
    }

    @Test func whatStrangersSendIsTheirsUntilItGoesBack() throws {
        var flows = PayerFlows(of: try account(1), from: 5)
        // A treasury, a contract of the house's, and two strangers, one of them twice.
        flows.take(
            [
                try inflow(6, 10, from: 2), try inflow(6, 20, from: 3), try inflow(7, 30),
                try inflow(8, 30), try inflow(8, 30, from: 8, .tly),
            ], upTo: 10, at: Self.now, known: try known(2, senders: [3])
        )
        #expect(flows.strays.map(\.units) == [30, 30, 30])
        #expect(flows.strays.map(\.other) == [try account(7), try account(7), try account(8)])
        #expect(flows.strays.map(\.asset) == [.usd, .usd, .tly])
        #expect(line(flows) == [0, 0, 0] && flows.unordered(since: Self.now) == [])
        // Not the same sum, not the same token, not who sent it: each is a theft.
        flows.take(
            [try flow(11, 29), try flow(12, 30, to: 8), try flow(13, 30, to: 9, .tly)], upTo: 13,
            at: Self.now, known: try known()
        )
        #expect(flows.strays.count == 3 && flows.unordered(since: Self.now).count == 3)
        // One of the two is sent back, then the other; a third time is a theft again.
        for (block, left, taken) in [(UInt64(14), 2, 3), (15, 1, 3), (16, 1, 4)] {
            flows.take([try flow(block, 30)], upTo: block, at: Self.now, known: try known())
            flows = try PayerFlows(canonicalBytes: flows.canonicalBytes())
            #expect(flows.strays.count == left)
            #expect(flows.unordered(since: Self.now).count == taken)
        }
        #expect(line(flows) == [149, 0, 60] && line(flows, .tly) == [30, 0, 0])
        // What went back in a block that is gone did not.
        flows.rewind(to: 15)
        #expect(flows.strays.map(\.asset) == [.usd, .tly])
        #expect(flows.unordered(since: Self.now).count == 3)
        // The chain has the sender no longer, and another turns out to be the operator.
        flows.rewind(to: 8)
        #expect(flows.strays.map(\.units) == [30])
        flows.take([], upTo: 7, at: Self.now, known: try known(7))
        #expect(flows.strays == [])
    }

    @Test func whatWentBeforeItCameIsNoReturn() throws {
        var flows = PayerFlows(of: try account(1), from: 5)
        let same = try inflow(6, 10)
        flows.take(
            [try flow(6, 10), same, try flow(5, 10)], upTo: 10, at: Self.now, known: try known()
        )
        #expect(flows.strays.count == 1 && flows.unordered(since: Self.now).count == 2)
        // Nor is what several got, though one of them had sent as much.
        flows.take(
            [try flow(8, 6), try flow(8, 4, to: 9)], upTo: 10, at: Self.now, known: try known()
        )
        #expect(flows.strays.count == 1 && line(flows) == [30, 0, 0])
    }

    @Test func manySmallSumsHideNoGreatOne() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        let most = UInt64(PayerFlows.mostItems)
        // One goes back; after that somebody fills the list with dust.
        flows.take(
            [try inflow(1, 3), try flow(2, 3), try inflow(3, 50, from: 8)], upTo: 3, at: Self.now,
            known: try known()
        )
        // Tallies have more digits, and are a list of their own.
        flows.take(
            try (4..<most + 10).flatMap {
                [
                    try inflow($0, $0 < 8 ? 4 : 9, from: 9),
                    try inflow($0, 1_000 + UInt128($0), from: 9, .tly),
                ]
            }, upTo: 10_000, at: Self.now, known: try known()
        )
        #expect(flows.strays.count { $0.asset == .usd } == PayerFlows.mostItems)
        #expect(flows.strays.count { $0.asset == .tly } == PayerFlows.mostItems)
        #expect(flows.unordered(since: Self.now) == [])
        #expect(flows.strays.contains { $0.units == 50 && $0.other == (try? account(8)) })
        #expect(flows.strays.count { $0.units == 4 } == 0)
        #expect(flows.unlisted[.usd]?.units == 43)
        #expect(flows.unlisted[.usd]?.transfers == 7 && flows.unlisted[.tly]?.transfers == 6)
        #expect(flows.strays.map(\.block) == flows.strays.map(\.block).sorted())
        let bytes = flows.canonicalBytes()
        #expect(try PayerFlows(canonicalBytes: bytes) == flows)
    }

    @Test func lessThanTheLeastIsASum() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        var least = try known(2)
        least.minimum = [.usd: 10, .tly: 100]
        flows.take(
            [
                try inflow(1, 9), try inflow(2, 10), try inflow(3, 99, from: 7, .tly),
                try inflow(4, 8), try inflow(5, 1, from: 2),
            ], upTo: 5, at: Self.now, known: least)
        #expect(flows.strays.map(\.units) == [10])
        #expect(flows.unlisted[.usd]?.units == 17 && flows.unlisted[.usd]?.transfers == 2)
        #expect(flows.unlisted[.tly]?.units == 99 && flows.unlisted[.tly]?.transfers == 1)
    }

    /// Whoever sends a deposit in one of the house's channels, it is the house's; what goes beside
    /// it in the same transaction is not.
    @Test func aDepositExplainsItsVerySum() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        var deposits = try known()
        deposits.deposits = [
            name(3): [PayerFlows.Sum(.usd, 5)], name(4): [PayerFlows.Sum(.tly, 5)],
        ]
        flows.take(
            [try flow(3, 5), try flow(3, 90), try flow(3, 5), try flow(4, 5)], upTo: 5,
            at: Self.now, known: deposits)
        #expect(flows.unordered(since: Self.now).map(\.units) == [95, 5])
        #expect(line(flows) == [105, 5, 0])
    }

    @Test func nothingGoesBackToWhereTokensAreMade() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        flows.take(
            [try inflow(1, 5, from: 0), try flow(2, 5, to: 0)], upTo: 5, at: Self.now,
            known: try known())
        #expect(flows.strays.count == 1 && flows.unordered(since: Self.now).count == 1)
        // Who fills the account up has no right to take, whatever came in the same look.
        flows.take(
            [try inflow(6, 9), try flow(7, 9), try flow(8, 7, to: 0)], upTo: 8, at: Self.now,
            known: try known(senders: [0, 7]))
        #expect(flows.strays == [])
        #expect(flows.unordered(since: Self.now).map(\.block) == [2, 7, 8])
    }

    /// What went back to a stranger did, though it is named later.
    @Test func whatWentBackStaysExplained() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        flows.take(
            [try inflow(1, 9), try flow(2, 9), try inflow(3, 9)], upTo: 3, at: Self.now,
            known: try known())
        flows.take([], upTo: 3, at: Self.now, known: try known(senders: [7]))
        #expect(flows.strays == [] && flows.unordered(since: Self.now) == [])
        #expect(flows.incoming.map(\.block) == [1])
    }

    @Test func whatWasBeforeItBeganIsNotReadAgain() throws {
        var flows = PayerFlows(of: try account(1), from: 7)
        flows.take([try inflow(8, 9)], upTo: 9, at: Self.now, known: try known())
        flows = try PayerFlows(canonicalBytes: flows.canonicalBytes())
        flows.rewind(to: 3)
        #expect(flows.nextBlock == 7 && flows.firstBlock == 7 && flows.strays == [])
    }

    @Test func whatWentBackLongAgoTakesUpNoPlace() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        flows.take(
            [try inflow(1, 5), try inflow(2, 5), try flow(3, 5)], upTo: 3, at: Self.now,
            known: try known())
        let week = Self.now + PayerFlows.keptReturn
        let before = Timestamp(nanoseconds: week.nanoseconds - 1)
        flows.take([], upTo: 3, at: before, known: try known())
        #expect(flows.items.count == 1 && flows.incoming.count == 2)
        flows.take([], upTo: 3, at: week, known: try known())
        #expect(flows.items == [] && flows.strays.map(\.block) == [2])
        #expect(line(flows) == [5, 0, 5])
    }

    /// A file of before has not what came; one of later is not guessed at.
    @Test func filesOfBeforeAreRead() throws {
        var flows = PayerFlows(of: try account(1), from: 0)
        flows.take([try flow(6, 10)], upTo: 9, at: Self.now, known: try known())
        // Version 1 ended behind what left: no list, and no sums, behind that.
        let old = Array(flows.canonicalBytes().dropLast(8 + 4 + 2 * (8 + 16)))
        let read = try PayerFlows.all(inFile: [1, 2, 0, 0, 0] + old + old)
        #expect(read.map(\.items) == [flows.items, flows.items])
        #expect(read.map(\.nextBlock) == [10, 10] && read.map(\.firstBlock) == [10, 10])
        flows.take([try inflow(11, 5)], upTo: 12, at: Self.now, known: try known())
        let file = PayerFlows.file(of: [flows])
        #expect(try PayerFlows.all(inFile: file) == [flows] && file.first == 2)
        #expect(throws: CodecError.self) { try PayerFlows.all(inFile: [3] + file.dropFirst()) }
        #expect(throws: CodecError.self) { try PayerFlows.all(inFile: [1] + file.dropFirst()) }
        #expect(throws: CodecError.self) { try PayerFlows.all(inFile: file.dropLast()) }
    }
}
