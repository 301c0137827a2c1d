import Chains
import Clearing
import Primitives
import Service
import Testing

/// The account that pays on Solana against the books: each transfer a payment, each payment a
/// transfer, to the unit.
@Suite struct PayerBookTests {
    private let start = VaultCursor(slot: 100, newest: nil, balance: 1_000)

    private func name(_ number: UInt8) -> Signature {
        guard let name = Signature(Array(repeating: number, count: 64)) else { fatalError() }
        return name
    }

    private func account(_ number: UInt8) -> SolanaAddress {
        guard let digest = Digest(Array(repeating: number, count: 32)) else { fatalError() }
        return SolanaAddress(digest)
    }

    private func record(_ number: UInt8, slot: UInt64, _ event: VaultEvent) -> VaultRecord {
        VaultRecord(
            place: VaultPlace(slot: slot, transaction: name(number), instruction: 0), event: event)
    }

    private func sent(
        _ number: UInt8, slot: UInt64, to target: UInt8, _ units: UInt64
    ) -> VaultRecord {
        record(number, slot: slot, .withdrawn(amount: units, to: account(target)))
    }

    private func deposit(
        _ number: UInt8, slot: UInt64, from owner: UInt8, _ units: UInt64
    ) -> VaultRecord {
        record(
            number, slot: slot,
            .deposited(amount: units, owner: account(owner), memo: "me", references: []))
    }

    private func payment(
        _ number: UInt8, to target: UInt8, _ units: UInt64
    ) -> PayerPayments.Payment {
        PayerPayments.Payment(name(number), to: account(target), units: units)
    }

    private func book(_ records: [VaultRecord], upTo slot: UInt64 = 200) -> PayerBook {
        var book = PayerBook(from: start)
        take(records, upTo: slot, &book)
        return book
    }

    private func take(_ records: [VaultRecord], upTo slot: UInt64, _ book: inout PayerBook) {
        book.take(
            records, upTo: VaultCursor(slot: slot, newest: nil, balance: 0), from: [account(90)])
    }

    private func books(
        _ dispersals: [[PayerPayments.Payment]], open: Set<Int> = [],
        underWay: [PayerPayments.Payment] = [], forgotten: [Signature: UInt64] = [:],
        before: UInt128 = 0
    ) -> PayerPayments {
        let paid = dispersals.flatMap { $0 }.reduce(before) { $0 + UInt128($1.units) }
        return PayerPayments(
            dispersals.enumerated().map {
                PayerPayments.Paid($1, isOver: !open.contains($0))
            }, underWay: underWay, forgotten: forgotten, sum: paid)
    }

    private func lines(_ found: PayerComparison, holds: UInt128?) -> [Int128] {
        let none = PayerDeposits(PayerBook(from: start), ClearingHouse())
        return SolanaReconciliation.lines(found, none, balance: 5, holds: holds)
            .prefix(3).map(\.difference)
    }

    private func differences(_ found: PayerComparison) -> [Int128] {
        lines(found, holds: nil)
    }

    /// Who pays from another account now is not asked for what the one before it paid.
    @Test func whatAnotherAccountPaidIsNotLookedFor() throws {
        let old = [[payment(1, to: 7, 30)], [], [payment(2, to: 8, 40)]]
        var book = PayerBook(from: start, after: 3, paying: 70)
        let before = PayerComparison(
            book, PayerPayments([], sum: 70), slot: { _ in nil })
        #expect(before.isBalanced && differences(before) == [0, 0, 0] && before.paid == 0)
        // Without that each of them is missing, if nodes know them no longer.
        let lost = PayerComparison(self.book([]), books(old)) { _ in nil }
        #expect(lost.missing.count == 2 && lost.paid == 70)
        take([sent(3, slot: 150, to: 9, 5)], upTo: 200, &book)
        let later = PayerComparison(
            book, PayerPayments([.init([payment(3, to: 9, 5)], isOver: true)], sum: 75),
            slot: { _ in nil })
        #expect(later.isBalanced && differences(later) == [0, 0, 0] && later.paid == 5)
        book.retire(later)
        #expect(book.mark == 4)
        #expect(try PayerBook(canonicalBytes: book.canonicalBytes()) == book)
    }

    @Test func whatWasPaidIsFoundAndForgotten() throws {
        // Two payments of one transaction, two of the same sum, and one of another dispersal.
        var book = book([
            sent(1, slot: 110, to: 7, 30), sent(1, slot: 110, to: 7, 30),
            sent(1, slot: 110, to: 8, 40), sent(2, slot: 120, to: 9, 50),
        ])
        let all = books([
            [payment(1, to: 7, 30), payment(1, to: 7, 30), payment(1, to: 8, 40)], [],
            [payment(2, to: 9, 50)],
        ])
        let found = PayerComparison(book, all) { _ in nil }
        #expect(found.isBalanced && differences(found) == [0, 0, 0])
        #expect(found.wentOut == 150 && found.found == 150 && found.paid == 150)
        #expect(found.settled.dispersals == 3)
        book.retire(found)
        #expect(book.mark == 3 && book.outgoing.isEmpty && book.retired == 150)
        #expect(book.balance == 850)
        // Nothing changes by forgetting, nor by writing it down.
        let copy = try PayerBook(canonicalBytes: book.canonicalBytes())
        #expect(copy == book)
        let after = PayerComparison(copy, books([], before: 150)) { _ in nil }
        #expect(after.isBalanced && differences(after) == [0, 0, 0] && after.found == 150)
    }

    @Test func aTransferThatNobodyOrderedIsAStray() {
        let book = book([sent(1, slot: 110, to: 7, 30), sent(2, slot: 111, to: 8, 5)])
        let found = PayerComparison(book, books([[payment(1, to: 7, 30)]])) { _ in nil }
        #expect(differences(found) == [5, 0, 0])
        #expect(found.strays.map(\.units) == [5] && found.missing.isEmpty)
        // One to the house's own account is none.
        let own = PayerComparison(
            book, books([[payment(1, to: 7, 30)]]), own: [account(8)]
        ) { _ in nil }
        #expect(own.isBalanced && differences(own) == [0, 0, 0] && own.explained == 5)
    }

    /// Sums that happen to be equal do not hide that the wrong one was paid, or the wrong sum.
    @Test func theSameSumToAnotherIsBothWrong() {
        for wrong in [sent(1, slot: 110, to: 8, 30), sent(2, slot: 110, to: 7, 30)] {
            let found = PayerComparison(
                book([wrong]), books([[payment(1, to: 7, 30)]])
            ) { _ in 110 }
            #expect(differences(found) == [30, -30, 0])
            #expect(found.strays.count == 1 && found.missing.count == 1)
            #expect(found.settled.dispersals == 0)
        }
        let less = PayerComparison(
            book([sent(1, slot: 110, to: 7, 29)]), books([[payment(1, to: 7, 30)]])
        ) { _ in 110 }
        #expect(differences(less) == [29, -30, 0])
    }

    @Test func whatIsPaidTwiceIsAStray() {
        let twice = book([sent(1, slot: 110, to: 7, 30), sent(2, slot: 150, to: 7, 30)])
        let found = PayerComparison(twice, books([[payment(2, to: 7, 30)]])) { _ in nil }
        #expect(differences(found) == [30, 0, 0] && found.strays.map(\.transaction) == [name(1)])
    }

    /// The history is behind the books for some seconds, and before them for a moment.
    @Test func onlyWhatIsReadAndWatchedCounts() {
        var book = book([sent(3, slot: 110, to: 9, 3)])
        let all = books(
            [[payment(1, to: 7, 30)], [payment(2, to: 8, 20)]], underWay: [payment(3, to: 9, 3)])
        let slots: [Signature: UInt64] = [name(1): 90, name(2): 201]
        let found = PayerComparison(book, all) { slots[$0] }
        #expect(found.isBalanced && differences(found) == [0, 0, 0])
        #expect(found.paid == 0 && found.explained == 3)
        #expect(found.settled.dispersals == 1 && found.settled.early == 30)
        book.retire(found)
        take([sent(2, slot: 201, to: 8, 20)], upTo: 300, &book)
        let later = PayerComparison(
            book, books([[payment(2, to: 8, 20)], [payment(3, to: 9, 3)]], before: 30)
        ) { _ in nil }
        #expect(later.isBalanced && later.paid == 23 && later.found == 23)
        #expect(later.settled.dispersals == 2)
        // What nobody asked the chain for yet is not held against it.
        let unasked = PayerComparison(book, books([[payment(5, to: 5, 5)]], before: 30)) { _ in
            .max
        }
        #expect(unasked.missing.isEmpty && unasked.settled.dispersals == 0)
    }

    /// Without its file the watch begins at the last deposit, before some of what the manager has
    /// forgotten by then and after the rest: which is which, the history tells.
    @Test func whatIsForgottenAndNotReadIsOfBeforeTheStart() {
        let paid = [[payment(1, to: 7, 30)], [payment(2, to: 8, 20)]]
        let all = books(paid, forgotten: [name(1): 150, name(2): 150])
        // While the history is not read up to the last of it, nothing is said of what it lacks.
        for (read, end): ([VaultRecord], UInt64) in [
            ([], 120), ([sent(2, slot: 145, to: 8, 20)], 149),
        ] {
            let found = PayerComparison(self.book(read, upTo: end), all) { _ in nil }
            #expect(found.isBalanced && differences(found) == [0, 0, 0])
            #expect(found.paid == found.found && found.settled.dispersals == 0)
        }
        var book = book([sent(2, slot: 150, to: 8, 20)], upTo: 150)
        let found = PayerComparison(book, all) { _ in nil }
        #expect(found.isBalanced && differences(found) == [0, 0, 0])
        #expect(found.paid == 20 && found.found == 20)
        #expect(found.settled.dispersals == 2 && found.settled.early == 30)
        book.retire(found)
        #expect(book.mark == 2 && book.early == 30 && book.retired == 20)
        let later = PayerComparison(book, books([], before: 50)) { _ in nil }
        #expect(later.isBalanced && differences(later) == [0, 0, 0])
    }

    /// What is forgotten excuses nothing else that the history lacks.
    @Test func whatIsNotForgottenIsStillMissing() {
        let paid = [[payment(1, to: 7, 30)], [payment(2, to: 8, 20)]]
        for slot: UInt64? in [nil, 101, 150, 200] {
            let found = PayerComparison(
                book([]), books(paid, forgotten: [name(1): 150])
            ) { _ in slot }
            #expect(found.missing == paid[1] && differences(found) == [0, -20, 0])
            #expect(found.settled.dispersals == 1 && found.settled.early == 30)
        }
    }

    @Test func anOpenDispersalIsKept() {
        var book = book([sent(1, slot: 110, to: 7, 30), sent(2, slot: 111, to: 8, 5)])
        let found = PayerComparison(
            book, books([[payment(1, to: 7, 30)], [payment(2, to: 8, 5)]], open: [0])
        ) { _ in nil }
        #expect(found.isBalanced && found.settled.dispersals == 0)
        book.retire(found)
        #expect(book.mark == 0 && book.outgoing.count == 2)
    }

    @Test func whatComesInIsTheHousesOrAStrangers() throws {
        let book = book([
            deposit(1, slot: 110, from: 90, 70), deposit(2, slot: 111, from: 91, 9),
            record(3, slot: 112, .changed(before: 1_079, after: 1_080)),
            record(4, slot: 113, .changed(before: 1_080, after: 1_075)),
        ])
        #expect(book.cameIn == 80 && book.wentOut == 5 && book.balance == 1_075)
        #expect(book.strayIn.map(\.units) == [9, 1])
        #expect(book.strayIn.map(\.account) == [account(91), nil])
        let found = PayerComparison(book, books([])) { _ in nil }
        #expect(found.strays.map(\.units) == [5] && differences(found) == [5, 0, 0])
        #expect(try PayerBook(canonicalBytes: book.canonicalBytes()) == book)
        #expect(lines(found, holds: 2) == [5, 0, -3])
    }
}
