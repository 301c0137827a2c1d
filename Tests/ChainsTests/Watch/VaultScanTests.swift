import Chains
import Primitives
import Testing

/// A vault's history is told whole, whatever the page, or not at all.
@Suite struct VaultScanTests {
    /// Reads a history while it grows, through nodes with other limits each time.
    private func read(
        _ history: SimulatedHistory, _ random: inout SplitMix64,
        _ spoil: (inout SimulatedTeller, inout SplitMix64) -> Void = { _, _ in }
    ) throws -> (records: [VaultRecord], cursor: VaultCursor, refusals: Int) {
        var cursor = VaultCursor(slot: 99)
        var records: [VaultRecord] = []
        var (looks, refusals) = (0, 0)
        let end = history.slot
        while cursor.slot < end {
            looks += 1
            try #require(looks < 5_000, "it does not come to the end")
            let final = min(end, cursor.slot + 1 + random.next() % 40)
            var teller = SimulatedTeller(history: history)
            teller.listedAtOnce = 1 + Int(random.next() % 9)
            spoil(&teller, &random)
            do throws(VaultScanError) {
                let page = try teller.look(
                    from: cursor, upTo: final, most: 1 + Int(random.next() % 6))
                // The same cursor brings the same again, and survives being written down.
                let again = try? VaultCursor(canonicalBytes: cursor.canonicalBytes())
                #expect(again == cursor)
                records += page.records
                #expect(page.cursor.slot > cursor.slot || page.hasMore)
                cursor = page.cursor
            } catch {
                refusals += 1
            }
        }
        return (records, cursor, refusals)
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func pagesOfAnySizeLeaveNothingOut(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let history = SimulatedHistory(count: 150, random: &random)
        let (records, cursor, refusals) = try read(history, &random)
        #expect(records == history.truth && refusals == 0)
        #expect(cursor.balance == history.balance && cursor.slot == history.slot)
        #expect(Set(records.map(\.place)).count == records.count)
    }

    /// A node that leaves out, forgets, or turns around what it lists brings nothing wrong: either
    /// the page is the truth or it is refused.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func badNodesAreRefusedAndNeverBelieved(seed: UInt64) throws {
        var random = SplitMix64(seed: seed &* 77)
        let history = SimulatedHistory(count: 150, random: &random)
        // What moved tokens and is followed by something that did, so that it must be missed.
        let (records, cursor, refusals) = try read(history, &random) { teller, random in
            switch random.next() % 5 {
            case 0: teller.firstSlot = 100 + random.next() % (history.slot - 99)
            case 1: teller.forgotten = Set((0..<20).map { _ in Int(random.next() % 150) })
            case 2:
                teller.isBackwards = true
                teller.listedAtOnce = 1_000
            default: return
            }
        }
        #expect(refusals > 0)
        #expect(records == history.truth)
        #expect(cursor.balance == history.balance)
    }

    private func history(_ seed: UInt64 = 3) -> SimulatedHistory {
        var random = SplitMix64(seed: seed)
        return SimulatedHistory(count: 60, random: &random)
    }

    /// Every transaction that moved tokens is missed at once if it is left out, unless it is the
    /// last: then the next one misses it.
    @Test func whatIsLeftOutIsMissed() throws {
        var history = history()
        // A deposit is the last.
        history.append(4)
        let moving = history.traces.indices.filter { place in
            history.traces[place].before != history.traces[place].after
        }
        #expect(moving.last == history.traces.count - 1)
        for place in moving.dropLast() {
            var teller = SimulatedTeller(history: history)
            teller.omitted = [place]
            #expect(throws: VaultScanError.self, "\(place)") {
                try teller.look(from: VaultCursor(slot: 99), upTo: history.slot)
            }
        }
        var teller = SimulatedTeller(history: history)
        let last = try #require(moving.last)
        teller.omitted = [last]
        let page = try teller.look(from: VaultCursor(slot: 99), upTo: history.slot)
        #expect(page.cursor.balance != history.balance)
    }

    /// `until` of a node that has forgotten it would bring a list that looks whole.
    @Test func aNodeWithoutTheHistoryHasNothingToSay() throws {
        let history = history()
        let whole = SimulatedTeller(history: history)
        let middle = history.traces[30].listing.slot
        let cursor = try whole.look(from: VaultCursor(slot: 99), upTo: middle).cursor
        var short = whole
        short.firstSlot = middle + 1
        #expect(throws: VaultScanError.historyMissing) {
            try short.look(from: cursor, upTo: history.slot)
        }
        #expect(throws: VaultScanError.historyMissing) {
            try short.look(from: VaultCursor(slot: 99), upTo: history.slot)
        }
        // One that has the slots and not the transaction is on another chain.
        let anchor = try #require(cursor.newest)
        var other = whole
        other.omitted = Set(
            history.traces.indices.filter {
                history.traces[$0].listing.transaction == anchor.transaction
            })
        #expect(throws: VaultScanError.rewritten(anchor.slot)) {
            try other.look(from: cursor, upTo: history.slot)
        }
        #expect(try whole.look(from: cursor, upTo: middle).cursor == cursor)
    }

    /// Memos and reference keys say whom a deposit is for; anything else that changes the balance
    /// is told as that.
    @Test func whatADepositSays() throws {
        let vault = SimulatedHistory.vault
        let payer = SimulatedHistory.stranger
        let reference = SimulatedHistory.program
        func words(_ tag: UInt8, _ amount: UInt64, _ rest: [UInt8] = []) -> [UInt8] {
            [tag] + (0..<8).map { UInt8(truncatingIfNeeded: amount >> (8 * UInt64($0))) } + rest
        }
        let checked = VaultTrace.Instruction(
            program: .token2022, accounts: [payer, reference, vault, payer, reference],
            data: words(12, 40, [6]))
        let memo = VaultTrace.Instruction(
            program: .memo, accounts: [], data: Array("party 7".utf8))
        let made = VaultTrace.Instruction(
            program: .token, accounts: [reference, vault, payer], data: words(7, 2))
        let trace = VaultTrace(
            listing: VaultListing(
                transaction: SimulatedHistory.name(1), slot: 5, isUndone: false),
            instructions: [memo, checked, made],
            before: [
                .init(account: payer, owner: reference, amount: 90),
                .init(account: vault, owner: nil, amount: 0),
            ],
            after: [.init(account: vault, owner: nil, amount: 42)])
        var scan = try VaultScan(of: vault, from: VaultCursor(slot: 1), upTo: 9, history: 0)
        #expect(scan.question == .list(before: nil))
        #expect(throws: VaultScanError.unasked) { try scan.take(trace) }
        try scan.take([trace.listing])
        #expect(scan.question == .list(before: trace.listing.transaction))
        try scan.take([] as [VaultListing])
        #expect(scan.question == .trace(trace.listing.transaction))
        try scan.take(trace)
        let page = try #require(scan.page)
        #expect(
            page.records.map(\.event) == [
                .deposited(
                    amount: 40, owner: reference, memo: "party 7", references: [reference]),
                .changed(before: 40, after: 42),
            ])
        #expect(page.records.map(\.place.instruction) == [1, 3])
        #expect(page.cursor.balance == 42 && page.cursor.slot == 9)
    }

    /// A slot is read whole or not at all, though it has more than a page.
    @Test func aSlotIsNotDivided() throws {
        var random = SplitMix64(seed: 1)
        var history = SimulatedHistory(count: 0, random: &random)
        for _ in 0..<9 { history.append(4) }
        let page = try SimulatedTeller(history: history).look(
            from: VaultCursor(slot: 99), upTo: 200, most: 2)
        #expect(page.records.count == 9 && !page.hasMore && page.cursor.slot == 200)
    }
}
