import Chains
import Clearing
import Economics
import Primitives
import Service
import Testing

/// What comes to the account that pays on Solana: a party's deposit, a stranger's, or one that went
/// back; and the books' deposits against it, to the unit.
@Suite struct PayerDepositsTests {
    private let start = VaultCursor(slot: 100, newest: nil, balance: 1_000)

    private func name(_ number: UInt16) -> Signature {
        var bytes = [UInt8](repeating: 1, count: 64)
        (bytes[0], bytes[1]) = (UInt8(number & 255), UInt8(number >> 8))
        guard let name = Signature(bytes) else { fatalError() }
        return name
    }

    private func owner(_ number: UInt8) -> SolanaAddress {
        guard let digest = Digest(Array(repeating: number, count: 32)) else { fatalError() }
        return SolanaAddress(digest)
    }

    /// Where an owner's tokens are.
    private func home(_ owner: SolanaAddress) -> SolanaAddress {
        guard let digest = Digest(owner.bytes.map { $0 ^ 0x80 }) else { fatalError() }
        return SolanaAddress(digest)
    }

    private func came(
        _ number: UInt16, slot: UInt64, from: UInt8, _ units: UInt64, place: UInt32 = 0
    ) -> VaultRecord {
        VaultRecord(
            place: VaultPlace(slot: slot, transaction: name(number), instruction: place),
            event: .deposited(amount: units, owner: owner(from), memo: nil, references: []))
    }

    private func went(_ number: UInt16, slot: UInt64, to: UInt8, _ units: UInt64) -> VaultRecord {
        VaultRecord(
            place: VaultPlace(slot: slot, transaction: name(number), instruction: 0),
            event: .withdrawn(amount: units, to: home(owner(to))))
    }

    private func take(
        _ records: [VaultRecord], _ book: inout PayerBook, upTo slot: UInt64 = 200,
        known: UInt8 = 7
    ) {
        book.take(
            records, upTo: VaultCursor(slot: slot, newest: nil, balance: 0), from: [owner(90)]
        ) { $0.account == owner(known) && $0.units >= 10 }
    }

    private func book(_ records: [VaultRecord]) -> PayerBook {
        var book = PayerBook(from: start)
        take(records, &book)
        return book
    }

    private func compare(_ book: PayerBook) -> PayerComparison {
        PayerComparison(book, PayerPayments([], sum: 0), home: home) { _ in nil }
    }

    /// A house in which owner 7 is party 1's.
    private func house() -> ClearingHouse {
        var house = ClearingHouse()
        for (second, command) in [
            Command.configure(Parameters(), chain: 1), .registerParty(address: .zero),
            .registerDepositor(PartyID(1), owner: owner(7).value),
        ].enumerated() {
            _ = house.apply(command, at: Timestamp(seconds: UInt64(second)))
        }
        return house
    }

    private func apply(_ transfer: PayerBook.Transfer, _ house: inout ClearingHouse) throws {
        let command = Command.bookDeposit(try #require(transfer.tokenTransfer))
        let outcome = house.apply(command, at: Timestamp(seconds: 9))
        #expect(throws: Never.self) { try outcome.get() }
    }

    @Test func whatIsBookedIsTakenOutOfTheStrays() throws {
        var book = book([
            came(1, slot: 110, from: 7, 30), came(1, slot: 110, from: 7, 30, place: 2),
            came(2, slot: 111, from: 8, 9),
        ])
        var house = house()
        #expect(PayerDeposits(book, house).booked.isEmpty)
        try apply(book.strayIn[0], &house)
        // The books are a moment ahead of the account's book, and nothing differs.
        let ahead = PayerDeposits(book, house)
        #expect(ahead.booked == [book.strayIn[0]] && ahead.books == 30 && ahead.chain == 30)
        book.credit(ahead.booked)
        #expect(book.deposited == 30 && book.strayIn.map(\.units) == [30, 9])
        #expect(book.strayIn.map(\.instruction) == [2, 0] && book.balance == 1_069)
        let after = PayerDeposits(book, house)
        #expect(after.booked.isEmpty && after.books == 30 && after.chain == 30)
        #expect(try PayerBook(canonicalBytes: book.canonicalBytes()) == book)
        // An older copy of the book reads it again, and takes it out again.
        var copy = PayerBook(from: start)
        take([came(1, slot: 110, from: 7, 30), came(1, slot: 110, from: 7, 30, place: 2)], &copy)
        copy.credit(PayerDeposits(copy, house).booked)
        #expect(copy.deposited == 30 && copy.strayIn.count == 1)
        // One that begins later has nothing to do with it.
        let later = PayerBook(from: VaultCursor(slot: 110, newest: nil, balance: 0))
        let none = PayerDeposits(later, house)
        #expect(none.books == 0 && none.chain == 0)
    }

    @Test func aDepositThatTheChainDoesNotHaveDiffers() throws {
        var house = house()
        let made = book([came(1, slot: 110, from: 7, 30)])
        try apply(made.strayIn[0], &house)
        for other in [
            book([]), book([came(1, slot: 110, from: 7, 29)]),
            book([came(1, slot: 110, from: 8, 30)]),
            book([came(2, slot: 110, from: 7, 30)]), book([came(1, slot: 111, from: 7, 30)]),
        ] {
            let found = PayerDeposits(other, house)
            #expect(found.books == 30 && found.chain == 0)
            let lines = SolanaReconciliation.lines(
                compare(other), found, balance: other.balance, holds: nil)
            #expect(lines.map(\.difference) == [0, 0, 0, -30])
            #expect(lines[3].check.rawValue == 8)
        }
    }

    /// Nobody fills the list up: what is somebody's deposit stays, and of strangers' the greatest.
    @Test func tenThousandSmallTransfersPushNothingOut() {
        var records = [came(0, slot: 101, from: 7, 10), came(1, slot: 101, from: 8, 5_000)]
        for number in UInt16(2)..<10_002 {
            records.append(came(number, slot: 102, from: number % 2 == 0 ? 7 : 9, 1))
        }
        var book = book(records + [came(10_002, slot: 103, from: 7, 11)])
        #expect(book.strayIn.count <= 1_002)
        #expect(book.strayIn.filter { $0.units > 1 }.map(\.units) == [10, 5_000, 11])
        #expect(book.balance == 1_000 + 10_000 + 10 + 5_000 + 11)
        // Whoever is registered later is credited then, unless strangers sent more since.
        take([came(10_003, slot: 201, from: 9, 40)], &book, upTo: 300)
        #expect(book.strayIn.last?.units == 40 && book.strayIn.last?.tokenTransfer != nil)
    }

    @Test func whatWentBackIsNobodysDeposit() {
        let back = book([
            came(1, slot: 110, from: 7, 30), came(2, slot: 111, from: 7, 30),
            went(3, slot: 120, to: 7, 30),
        ])
        let found = compare(back)
        #expect(found.returned == [back.strayIn[0]] && found.strays.isEmpty)
        #expect(found.explained == 30 && found.wentOut == 30 && found.doubtful.isEmpty)
        // Another sum is a stray, and all that came before it is in doubt; not what came later.
        let part = book([
            came(1, slot: 110, from: 7, 30), went(3, slot: 120, to: 7, 29),
            came(2, slot: 121, from: 7, 30), came(4, slot: 110, from: 8, 30),
        ])
        let unsure = compare(part)
        #expect(unsure.strays.map(\.units) == [29] && unsure.returned.isEmpty)
        #expect(unsure.doubtful == [part.strayIn[0]])
        // What went before it came is no return.
        let early = compare(book([went(3, slot: 105, to: 7, 30), came(1, slot: 110, from: 7, 30)]))
        #expect(early.returned.isEmpty && early.strays.count == 1 && early.doubtful.isEmpty)
    }

    /// A book of a version before: its strays have no places, so nobody is credited with them.
    @Test func aBookOfBeforeIsReadOn() throws {
        var writer = ByteWriter()
        writer.write(UInt8(1))
        writer.write(start)
        writer.write(start)
        for sum in [UInt128(30), 5] { writer.write(sum) }
        for (number, units) in [(UInt16(1), UInt64(5)), (2, 30)] {
            writer.write(UInt32(1))
            writer.write(name(number))
            writer.write(UInt64(110))
            writer.write(Optional(owner(7)))
            writer.write(units)
        }
        writer.write(UInt64(0))
        for sum in [UInt128(0), 0] { writer.write(sum) }
        let old = try PayerBook(canonicalBytes: writer.bytes)
        #expect(old.balance == 1_025 && old.deposited == 0)
        #expect(old.strayIn.map(\.units) == [30] && old.strayIn[0].tokenTransfer == nil)
        #expect(try PayerBook(canonicalBytes: old.canonicalBytes()) == old)
    }
}
