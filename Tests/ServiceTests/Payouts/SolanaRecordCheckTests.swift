import Chains
import Clearing
import Primitives
import Service
import Testing

/// Which record of what was signed on Solana is gone on with, and which is refused.
@Suite struct SolanaRecordCheckTests {
    private let base = Digest(words: (1, 0, 0, 0))
    private let hash = Digest(words: (2, 0, 0, 0))

    private func known(_ count: UInt64, owner: String = "a", forgettings: UInt64 = 2)
        -> SolanaRecord
    {
        SolanaRecord(
            pin: SolanaPin(owner: owner, base: base, count: count, hash: hash),
            forgettings: forgettings)
    }

    private func mark(
        _ count: UInt64, base: Digest? = nil, hash: Digest? = nil, forgettings: UInt64 = 2
    ) -> SolanaMark {
        SolanaMark(
            base: base ?? self.base, count: count, hash: hash ?? self.hash,
            forgettings: forgettings)
    }

    private func check(
        _ records: [SolanaRecord], _ mark: SolanaMark, isNew: Bool = false, hasOpen: Bool = true,
        owner: String = "a"
    ) -> SolanaRecordCheck {
        SolanaRecordCheck(
            records, owner: owner, mark: mark, isNew: isNew, hasOpen: hasOpen, file: "the file")
    }

    private func words(_ check: SolanaRecordCheck) -> String {
        if case .refused(let why) = check { why } else { "" }
    }

    /// The tenth of a record whose ninth had this hash.
    private func tenth(after previous: Digest) throws -> SolanaMark {
        var writer = ByteWriter()
        writer.write(base)
        writer.write(UInt64(10))
        writer.write(Digest(words: (3, 0, 0, 0)))
        writer.write(previous)
        writer.write(UInt64(2))
        return try SolanaMark(canonicalBytes: writer.bytes)
    }

    @Test func theNewestIsGoneOnWith() throws {
        #expect(check([], mark(9)) == .newest)
        #expect(check([known(9)], mark(9)) == .newest)
        #expect(check([known(9)], mark(9, forgettings: 0)) == .newest)
        // A crash came before the last one was pinned: it follows the pinned one.
        #expect(check([known(9)], try tenth(after: hash)) == .newest)
    }

    @Test func anOlderCopyIsRefused() {
        #expect(words(check([known(9)], mark(8))).contains("older copy: it knows 8 signed"))
        #expect(words(check([known(9)], mark(8), hasOpen: false)).contains("put the newest"))
        // Of before there were marks: it began with another state.
        #expect(words(check([known(9)], mark(30, base: .zero))).contains("another one"))
    }

    @Test func anotherRecordIsRefused() throws {
        #expect(words(check([known(9)], mark(9, hash: .zero))).contains("another one"))
        // The tenth does not follow the ninth that is pinned.
        let other = try tenth(after: base)
        #expect(words(check([known(9)], other)).contains("another one"))
    }

    @Test func anOlderJournalIsSaidAndRefusedWhereItCouldPayTwice() {
        #expect(check([known(9)], mark(12)) == .journalBehind(3))
        #expect(
            words(check([known(9)], mark(12, forgettings: 3))).contains("journal is an older copy"))
        #expect(words(check([known(9)], mark(9, forgettings: 3))).contains("journal is an older"))
    }

    @Test func aNewRecordBeginsOnlyWhereNothingIsOpen() {
        #expect(check([], SolanaMark(), isNew: true) == .newest)
        #expect(
            check([known(9)], SolanaMark(), isNew: true, hasOpen: false)
                == .begins(mark(9, forgettings: 2)))
        #expect(words(check([known(9)], SolanaMark(), isNew: true)).contains("is empty"))
        // Nothing was ever signed.
        let none = SolanaRecord(pin: SolanaPin(owner: "a", base: .zero, count: 0, hash: .zero))
        #expect(check([none], SolanaMark(), isNew: true) == .begins(SolanaMark()))
    }

    @Test func whatAnotherAccountMayHaveSentIsItsOwn() {
        let both = [known(9), known(4, owner: "b")]
        #expect(check(both, mark(4), owner: "b") == .newest)
        #expect(words(check(both, mark(9))).contains("may have been sent by b"))
        #expect(words(check(both, mark(9), owner: "c")).contains("may have been sent by b"))
        #expect(check(both, mark(9), hasOpen: false) == .newest)
    }

    // MARK: What is stuck

    @Test func whatIsMissingIsSaid() throws {
        func stuck(_ histories: [UInt64?]) throws -> SolanaStuck {
            SolanaStuck(try Self.batch(), histories, needed: 2)
        }
        let waits = try stuck([0, 9_000, nil])
        #expect(waits.reaching == 1 && waits.needed == 2 && waits.histories == [0, 9_000, -1])
        #expect(waits.wantsHistoryFrom == 6_001 && waits.amount == "0.000005")
        #expect(waits.advice.contains("add nodes that have every block from slot 6001 on"))
        let gap = SolanaStuck(try Self.batch(), [6_001, 6_002, 5], holes: [2], needed: 2)
        #expect(gap.reaching == 1 && gap.histories == [6_001, 6_002, 5])
        #expect(gap.advice == waits.advice)
        let ends = try stuck([6_001, 6_002, 5])
        #expect(ends.reaching == 2 && ends.advice.hasPrefix("nothing"))
    }

    private static func batch() throws -> SolanaStuckBatch {
        SolanaStuckBatch(
            number: 3, transactions: [try #require(Signature([UInt8](repeating: 1, count: 64)))],
            payouts: [.zero], tokens: 5, since: Timestamp(seconds: 1), history: 6_001)
    }
}
