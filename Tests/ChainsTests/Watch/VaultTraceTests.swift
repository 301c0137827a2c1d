import Chains
import Primitives
import Testing

/// One answer at a time: which a look refuses, and what it makes of one transaction.
@Suite struct VaultTraceTests {
    private let vault = SimulatedHistory.vault
    private let stranger = SimulatedHistory.stranger
    private let program = SimulatedHistory.program

    private func listing(
        _ number: Int, slot: UInt64, isUndone: Bool = false
    ) -> VaultListing {
        VaultListing(
            transaction: SimulatedHistory.name(number), slot: slot, isUndone: isUndone)
    }

    private func scan(_ newest: VaultListing? = nil) throws -> VaultScan {
        let anchor = newest.map {
            VaultCursor.Anchor(transaction: $0.transaction, slot: $0.slot)
        }
        return try VaultScan(
            of: vault, program: program,
            from: VaultCursor(slot: newest?.slot ?? 1, newest: anchor, balance: 0), upTo: 9,
            history: 0)
    }

    // MARK: Lists

    @Test func aListGoesDownAndNamesEachOnce() throws {
        for list in [
            [listing(1, slot: 5), listing(2, slot: 6)], [listing(1, slot: 5), listing(1, slot: 5)],
        ] {
            var whole = try scan()
            #expect(throws: VaultScanError.outOfOrder(list[1].slot)) { try whole.take(list) }
            var parts = try scan()
            try parts.take([list[0]])
            #expect(throws: VaultScanError.outOfOrder(list[1].slot)) { try parts.take([list[1]]) }
        }
    }

    @Test func theCursorsTransactionIsInItsSlot() throws {
        let known = listing(1, slot: 3)
        for moved: UInt64 in [2, 4] {
            var one = try scan(known)
            #expect(throws: VaultScanError.rewritten(3)) {
                try one.take([listing(2, slot: 8), listing(1, slot: moved)])
            }
        }
        var one = try scan(known)
        try one.take([listing(2, slot: 8, isUndone: true), known])
        // What was undone is not asked for, and is where the next look goes on.
        #expect(one.question == nil)
        let page = try #require(one.page)
        #expect(page.records == [] && page.cursor.newest?.transaction == SimulatedHistory.name(2))
    }

    @Test func theAnswerIsOfTheTransactionThatWasAskedFor() throws {
        let asked = listing(1, slot: 5)
        for other in [
            listing(2, slot: 5), listing(1, slot: 6), listing(1, slot: 5, isUndone: true),
        ] {
            var one = try scan()
            try one.take([asked])
            try one.take([] as [VaultListing])
            #expect(throws: VaultScanError.otherTransaction(asked.transaction)) {
                try one.take(
                    VaultTrace(listing: other, instructions: [], before: [], after: []))
            }
        }
    }

    // MARK: Transactions

    private func word(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }

    private func transfer(
        _ amount: UInt64, from source: SolanaAddress, to target: SolanaAddress,
        references: [SolanaAddress] = []
    ) -> VaultTrace.Instruction {
        .init(
            program: .token, accounts: [source, target, stranger] + references,
            data: [3] + word(amount))
    }

    /// What a look tells of one transaction that leaves the vault with `after`.
    private func records(
        _ instructions: [VaultTrace.Instruction], before: UInt64, after: UInt64
    ) throws -> [VaultRecord] {
        let asked = listing(1, slot: 5)
        var one = try VaultScan(
            of: vault, program: program, from: VaultCursor(slot: 1, balance: before), upTo: 9,
            history: 0)
        try one.take([asked])
        try one.take([] as [VaultListing])
        try one.take(
            VaultTrace(
                listing: asked, instructions: instructions,
                before: [.init(account: vault, owner: nil, amount: before)],
                after: [.init(account: vault, owner: nil, amount: after)]))
        return try #require(one.page).records
    }

    @Test func aDepositIsNamedByOneMemoOrByReferences() throws {
        let memos = ["party 1", "party 2"].map {
            VaultTrace.Instruction(program: .memo, accounts: [], data: Array($0.utf8))
        }
        let empty = VaultTrace.Instruction(program: .memo, accounts: [], data: [])
        let plain = transfer(40, from: stranger, to: vault)
        let named = transfer(40, from: stranger, to: vault, references: [program])
        var book = VaultBook()
        for (instructions, memo, references, unnamed) in [
            (memos.prefix(1) + [plain], "party 1", [], 0), (memos + [plain], nil, [], 1),
            ([named], nil, [program], 1), ([plain], nil, [], 2), ([empty, plain], nil, [], 3),
        ] as [([VaultTrace.Instruction], String?, [SolanaAddress], Int)] {
            let found = try records(instructions, before: 0, after: 40)
            #expect(
                found.map(\.event) == [
                    .deposited(
                        amount: 40, owner: stranger, memo: memo, references: references)
                ])
            book.take(found)
            #expect(book.unnamed.count == unnamed)
        }
        #expect(book.deposited == 200)
        #expect(try VaultBook(canonicalBytes: book.canonicalBytes()) == book)
    }

    /// Many small deposits of nobody take no room, and each counts.
    @Test func ofDepositsOfNobodyTheGreatestAreKept() throws {
        var book = VaultBook()
        for amount in UInt64(1)...1_200 {
            let place = VaultPlace(
                slot: amount, transaction: SimulatedHistory.name(Int(amount)), instruction: 0)
            let sent = VaultEvent.deposited(
                amount: amount == 600 ? 5_000 : amount, owner: stranger, memo: nil,
                references: [])
            book.take([VaultRecord(place: place, event: sent)])
        }
        #expect(book.unnamed.count == 1_000 && book.unnamedCount == 1_200)
        #expect(book.unnamed.contains { $0.amount == 5_000 && $0.place.slot == 600 })
        #expect(book.unnamed.map(\.place.slot) == Array(201...1_200))
        #expect(book.balance == UInt64(1_200 * 1_201 / 2 + 4_400))
        #expect(try VaultBook(canonicalBytes: book.canonicalBytes()) == book)
    }

    @Test func aClaimPaysOnceAndATransferToItselfIsNothing() throws {
        let accounts = [SolanaAddress](repeating: vault, count: 5) + [stranger]
        let claim = VaultTrace.Instruction(
            program: program, accounts: accounts, data: word(5) + word(70))
        let found = try records(
            [
                claim, transfer(7, from: vault, to: stranger), transfer(5, from: vault, to: vault),
                transfer(3, from: vault, to: stranger),
            ], before: 50, after: 40)
        #expect(
            found.map(\.event) == [
                .claimed(payee: stranger, amount: 7, cumulative: 70),
                .withdrawn(amount: 3, to: stranger),
            ])
    }
}
