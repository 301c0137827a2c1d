import Chains
import Clearing
import Logging
import Primitives
import Storage
import Synchronization

/// Watches the token account that the house pays from on Solana, from a cursor in
/// `solana-watch.sqlite` on, and holds what it did against the books.
///
/// The chain is read a page at a time from final blocks that enough nodes tell alike; what was read
/// and how far is written down together, so a crash repeats or loses nothing.
final class SolanaWatch: Sendable {
    /// The token account.
    let account: SolanaAddress
    private let watcher: SolanaVaultWatcher
    private let nodes: SolanaNodes
    private let records: RecordLog
    private let driver: SolanaManagerDriver
    private let pool: SolanaPool?
    let sequencer: Sequencer
    private let metrics: HouseMetrics
    let log: Logger
    /// The least that is credited to whoever sends it.
    let minimumDeposit: UInt64
    /// Whose claims on the contract are sold for deposits.
    let claimant: EVMAddress
    /// Owners whose deposits are the house's own, and their token accounts.
    let treasuries: (owners: Set<SolanaAddress>, accounts: Set<SolanaAddress>)
    private let tokenAccount: @Sendable (SolanaAddress) -> SolanaAddress
    private let state = Mutex(State())
    private let startedAt = Timestamp.systemNow
    /// The cluster, the token and who pays, in words.
    private let owner: String

    private struct State {
        var book: PayerBook?
        /// What is read of a long way, and not held against the books yet.
        var unfinished: PayerBook?
        var readAt: Timestamp?
        /// Slots of transactions that neither the history nor the manager tells.
        var asked: [Signature: UInt64?] = [:]
        /// What the account held when it was not what its history says, and from which slot on that
        /// is no longer a matter of time.
        var doubt: (holds: UInt64, slot: UInt64)?
        var mismatch: UInt64?
        /// What lay at accounts of before, when that was last told.
        var retired: [StrandedItem] = []
    }

    private static let interval = Duration.seconds(1)
    /// Slots after which whatever an account held must be in its history: twice what it takes to
    /// be final, and the watcher's margin.
    private static let settling: UInt64 = 100
    /// After so long without a look somebody should know.
    static let patience = Timestamp.Span.seconds(300)

    /// What the watch is told of the house and its cluster.
    struct Parts {
        let nodes: SolanaNodes
        let payer: SolanaAddress
        let claimant: EVMAddress
        let treasuries: [SolanaAddress]
        let minimumDeposit: UInt64
        let tokenAccount: @Sendable (SolanaAddress) -> SolanaAddress
        let driver: SolanaManagerDriver
        let pool: SolanaPool?
        let sequencer: Sequencer
        let metrics: HouseMetrics
        let log: Logger
    }

    init(_ parts: Parts, path: String, owner: String) throws {
        nodes = parts.nodes
        tokenAccount = parts.tokenAccount
        account = parts.tokenAccount(parts.payer)
        treasuries = (
            Set(parts.treasuries), Set(parts.treasuries.map { parts.tokenAccount($0) })
        )
        minimumDeposit = parts.minimumDeposit
        claimant = parts.claimant
        driver = parts.driver
        pool = parts.pool
        sequencer = parts.sequencer
        metrics = parts.metrics
        log = parts.log
        watcher = SolanaVaultWatcher(nodes: parts.nodes, account: account)
        self.owner = owner
        records = try RecordLog(path: path, owner: owner)
        let known = try records.load().state.map { try PayerBook(canonicalBytes: $0) }
        state.withLock { $0.book = known }
    }

    /// Watches until the task is cancelled.
    func run() async {
        var complained = false
        while !Task.isCancelled {
            do {
                try await look()
                complained = false
            } catch {
                metrics.chainFailed()
                if !complained {
                    log.warning(
                        "the payer's account on Solana cannot be read",
                        metadata: ["why": "\(error)"])
                }
                complained = true
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// How many dispersals of the books, from the first on, are over and found on chain.
    var mark: Int { state.withLock { $0.book?.mark ?? 0 } }

    /// Whether what comes from now on is found, by this process and by the next.
    var hasBegun: Bool { state.withLock { $0.book != nil || $0.unfinished != nil } }

    /// Closes the file.
    func close() { records.close() }

    // MARK: The chain

    private func look() async throws {
        let (last, unfinished) = state.withLock { ($0.book, $0.unfinished) }
        var book: PayerBook
        if let begun = unfinished ?? last {
            book = begun
        } else {
            book = try await beginning()
            try await keep(book)
        }
        let registered = try await sequencer.read { house in
            Set(house.depositors.map { SolanaAddress($0.owner) })
        }
        var hasMore = true
        while hasMore, !Task.isCancelled {
            let page = try await watcher.read(from: book.cursor)
            book.take(page.records, upTo: page.cursor, from: treasuries.owners) {
                isDeposit($0, registered)
            }
            hasMore = page.hasMore
            // However long the way is, it is gone once.
            if hasMore { try await keep(book) }
        }
        let view = try await view(of: book)
        try await ask(view.unasked)
        let found = comparison(book, view)
        book.retire(found)
        try await bookDeposits(&book, found, registered)
        let isNews =
            last.map {
                $0.cursor.newest != book.cursor.newest || $0.mark != book.mark
                    || $0.deposited != book.deposited
            } ?? true
        if isNews { try await save(book) }
        let (holds, now, read) = (
            try await watcher.balance(notBefore: book.cursor.slot) ?? 0, Timestamp.systemNow, book
        )
        state.withLock { state in
            state.book = read
            state.unfinished = nil
            state.readAt = now
            Self.doubt(&state, holds: holds, read)
        }
    }

    /// Writes down what is read, of which not all is held against the books yet.
    private func keep(_ book: PayerBook) async throws {
        try await save(book)
        state.withLock { $0.unfinished = book }
    }

    private func save(_ book: PayerBook) async throws {
        try await records.replace(upTo: records.lastNumber, with: book.canonicalBytes())
    }

    /// Where a watch begins: at the last slot that has a deposit of the books, since what came
    /// after it may not be booked; now, if there is none, or another account got it. If another
    /// account signed last, what was paid before is not looked for in this one's history.
    private func beginning() async throws -> PayerBook {
        let owner = owner
        let (last, past, isBack) = try await sequencer.read { house in
            let signers = house.solanaRecords.map(\.pin).filter { $0.count > 0 }.map(\.owner)
            let isOurs = signers.last == owner
            return (
                house.deposits.map(\.transfer).max { $0.slot < $1.slot },
                isOurs ? nil : SolanaPast(house), !isOurs && signers.contains(owner)
            )
        }
        let cursor: VaultCursor
        if let last, !isBack,
            let found = try await watcher.beginning(
                before: VaultCursor.Anchor(transaction: last.transaction, slot: last.slot))
        {
            cursor = found
        } else {
            cursor = try await watcher.beginning()
        }
        return past.map { PayerBook(from: cursor, after: $0.dispersals, paying: $0.sum) }
            ?? PayerBook(from: cursor)
    }

    /// What an account holds may be ahead of what is read. It differs only if it still does when
    /// everything that was there then has been read.
    private static func doubt(_ state: inout State, holds: UInt64, _ book: PayerBook) {
        state.mismatch = nil
        if UInt128(holds) == book.balance {
            state.doubt = nil
        } else if let doubt = state.doubt, doubt.holds == holds {
            if book.cursor.slot >= doubt.slot { state.mismatch = holds }
        } else {
            state.doubt = (holds, book.cursor.slot.saturatingSum(settling))
        }
    }

    /// Asks in which final slots transactions are.
    private func ask(_ transactions: [Signature]) async throws(ChainError) {
        for start in stride(from: 0, to: transactions.count, by: 256) {
            let part = Array(transactions[start..<min(start + 256, transactions.count)])
            let slots = try await nodes.agreed { node throws(ChainError) in
                try await node.statuses(part).all.map { status -> UInt64? in
                    guard let status, status.commitment == .finalized else { return nil }
                    return status.failure == nil ? status.slot : nil
                }
            }
            state.withLock { state in
                for (transaction, slot) in zip(part, slots) {
                    state.asked.updateValue(slot, forKey: transaction)
                }
            }
        }
    }

    // MARK: The books

    /// What the books say, and where the transactions are that the history does not tell of.
    private struct View: Sendable {
        let payments: PayerPayments
        let slots: [Signature: UInt64]
        let unasked: [Signature]
        let deposits: PayerDeposits
    }

    /// What was paid on Solana by whoever paid there before.
    private struct SolanaPast: Sendable {
        /// How many dispersals, from the first on, are over, or not Solana's.
        var dispersals = 0
        /// What they paid there.
        var sum: UInt128 = 0

        init(_ house: borrowing ClearingHouse) {
            for dispersal in house.dispersals {
                let isSolana = dispersal.rail != .push
                if isSolana, dispersal.isOpen { return }
                dispersals += 1
                for payment in dispersal.payments where isSolana && payment.state == .paid {
                    sum += payment.units
                }
            }
        }
    }

    /// The dispersals from a mark on, those of Solana with their payments.
    private struct Excerpt: Sendable {
        var dispersals: [Dispersal?] = []
        var sum: UInt128 = 0
        let deposits: PayerDeposits

        init(_ house: borrowing ClearingHouse, _ book: PayerBook) {
            deposits = PayerDeposits(book, house)
            let mark = book.mark
            for (place, dispersal) in house.dispersals.enumerated() {
                let isSolana = dispersal.rail != .push
                if place >= mark { dispersals.append(isSolana ? dispersal : nil) }
                guard isSolana, !dispersal.isFundedUnknown else { continue }
                for payment in dispersal.payments where payment.state == .paid {
                    sum += payment.units
                }
            }
        }
    }

    private func view(of book: PayerBook) async throws -> View {
        // The notes first: what the books have meanwhile is found there.
        let commits = await pool?.commits() ?? []
        let excerpt = try await sequencer.read { Excerpt($0, book) }
        let read = Set(book.outgoing.map(\.transaction))
        var (slots, unasked): ([Signature: UInt64], [Signature]) = ([:], [])
        var forgotten: [Signature: UInt64] = [:]
        var (paid, underWay): ([PayerPayments.Paid], [PayerPayments.Payment]) = ([], [])
        for dispersal in excerpt.dispersals {
            guard let dispersal else {
                paid.append(PayerPayments.Paid([], isOver: true))
                continue
            }
            var made: [PayerPayments.Payment] = []
            if dispersal.rail == .pool {
                let funding = funding(dispersal, commits, book)
                let isKnown = !dispersal.isOpen && !dispersal.isFundedUnknown
                if isKnown { made = funding } else { underWay += funding }
                unasked += made.map(\.transaction).filter { !read.contains($0) }
                paid.append(PayerPayments.Paid(made, isOver: isKnown))
                continue
            }
            for place in dispersal.payments.indices {
                let signed = signed(dispersal, place)
                if dispersal.payments[place].state.isOpen {
                    underWay += signed.payments
                } else if dispersal.payments[place].state == .paid {
                    made += signed.payments
                    for payment in signed.payments where !read.contains(payment.transaction) {
                        switch signed.slot {
                        case .known(let slot): slots[payment.transaction] = slot
                        case .forgotten(let last): forgotten[payment.transaction] = last
                        case nil: unasked.append(payment.transaction)
                        }
                    }
                }
            }
            paid.append(PayerPayments.Paid(made, isOver: !dispersal.isOpen))
        }
        // A transaction may pay what is forgotten and what is not.
        forgotten = forgotten.filter { slots[$0.key] == nil }
        return View(
            payments: PayerPayments(
                paid, underWay: underWay, forgotten: forgotten, sum: excerpt.sum),
            slots: slots, unasked: unasked, deposits: excerpt.deposits)
    }

    /// What a root moves into its pool's vault: by the transaction that the books have, or by
    /// those that may commit it. Where that is not known any more, by one that moves just so much
    /// there.
    private func funding(
        _ dispersal: Dispersal, _ commits: [Signature], _ book: PayerBook
    ) -> [PayerPayments.Payment] {
        guard let root = dispersal.root, let units = UInt64(exactly: dispersal.units),
            !dispersal.payments.contains(where: { $0.state == .returned })
        else { return [] }
        let vault = tokenAccount(SolanaAddress(root.pool))
        var transactions = root.isFunded ? root.funding.map { [$0] } ?? [] : commits
        if root.isFunded, transactions.isEmpty {
            let found = book.outgoing.first { $0.account == vault && $0.units == units }
            transactions = found.map { [$0.transaction] } ?? []
        }
        return transactions.map { PayerPayments.Payment($0, to: vault, units: units) }
    }

    /// What the manager knows of the slot of a payment's transaction.
    private enum SignedSlot {
        /// It is this one.
        case known(UInt64)
        /// It is not after this one, the last of what the manager has forgotten.
        case forgotten(notAfter: UInt64)
    }

    /// The transactions of a payment: the one that the books have, or those that may make it; and
    /// its slot, as the manager knows it.
    private func signed(
        _ dispersal: Dispersal, _ place: Int
    ) -> (payments: [PayerPayments.Payment], slot: SignedSlot?) {
        let payment = dispersal.payments[place]
        guard case .solana(let owner) = payment.receiver, let units = UInt64(exactly: payment.units)
        else { return ([], nil) }
        let target = tokenAccount(SolanaAddress(owner))
        func payments(_ all: [Signature]) -> [PayerPayments.Payment] {
            all.map { PayerPayments.Payment($0, to: target, units: units) }
        }
        let status = driver.status(of: driver.id(of: dispersal, payment: place))
        if let booked = payment.transaction {
            guard case .closed(.settled(booked, let slot)) = status else {
                // What the manager has forgotten was found here before, in no later slot: this book
                // is a newer one, which may have begun before that slot, or an older copy.
                let last = driver.lastForgottenSlot
                let isForgotten = status == .absent && last > 0
                return (payments([booked]), isForgotten ? .forgotten(notAfter: last) : nil)
            }
            return (payments([booked]), .known(slot))
        }
        switch status {
        case .inFlight(let all): return (payments(all), nil)
        case .closed(.settled(let made, let slot)): return (payments([made]), .known(slot))
        case .absent, .waiting, .quarantined, .closed: return ([], nil)
        }
    }

    private func comparison(_ book: PayerBook, _ view: View) -> PayerComparison {
        let asked = state.withLock { $0.asked }
        // One that was read and paid somebody else, or another sum, is where it was read.
        let read = Dictionary(book.outgoing.map { ($0.transaction, $0.slot) }) { first, _ in first }
        return PayerComparison(
            book, view.payments, own: treasuries.accounts, home: tokenAccount
        ) { transaction in
            if let slot = read[transaction] ?? view.slots[transaction] { return slot }
            if let slot = asked[transaction] { return slot }
            return .max
        }
    }

    // MARK: Reconciling

    /// What lies at accounts that the house paid from before: whoever still pays there is credited
    /// with nothing. What was told last while the nodes do not tell.
    private func retired() async -> [StrandedItem] {
        guard let end = owner.lastIndex(of: ":") else { return [] }
        let prefix = owner[...end]
        guard let pins = try? await sequencer.read({ $0.solanaRecords.map(\.pin.owner) }) else {
            return state.withLock { $0.retired }
        }
        let accounts = pins.filter { $0.hasPrefix(prefix) && $0 != owner }
            .compactMap { SolanaAddress(String($0.dropFirst(prefix.count))) }
            .filter { !treasuries.owners.contains($0) }.map(tokenAccount)
        var items: [StrandedItem] = []
        for place in stride(from: 0, to: accounts.count, by: 100) {
            let some = Array(accounts[place..<min(place + 100, accounts.count)])
            let held = try? await nodes.agreed { node throws(ChainError) in
                try await node.accounts(some, .finalized).map { $0?.tokens ?? 0 }
            }
            guard let held else { return state.withLock { $0.retired } }
            for (account, units) in zip(some, held) where units > 0 {
                items.append(
                    StrandedItem(.solanaRetired, .usd, UInt128(units), solanaAccount: account))
            }
        }
        let found = items
        state.withLock { $0.retired = found }
        return found
    }

    /// The account against the books, as far as it was read.
    ///
    /// - Parameter rules: after how long a deposit that waits is told.
    func reconciliation(_ rules: StrandingRules) async throws -> SolanaReconciliation {
        let (book, readAt, mismatch) = state.withLock { ($0.book, $0.readAt, $0.mismatch) }
        let now = Timestamp.systemNow
        var stranded = try await sequencer.read {
            SolanaReconciliation.quarantined($0)
                + SolanaReconciliation.waiting($0, since: now, rules)
        }
        let pooled = try await pool?.reconciliation(rules, at: now)
        stranded += pooled?.stranded ?? []
        guard let book else {
            stranded.append(StrandedItem(.solanaUnread, solanaAccount: account))
            return SolanaReconciliation(
                account: account, slot: 0, readAt: nil, lines: pooled?.lines ?? [],
                stranded: stranded)
        }
        // A book of before this process is as good until it has looked for itself.
        let since = readAt ?? startedAt
        if since + Self.patience <= now {
            stranded.append(StrandedItem(.solanaUnread, since: since, solanaAccount: account))
        }
        let view = try await view(of: book)
        let found = comparison(book, view)
        stranded += driver.stuckBatches.map { batch in
            StrandedItem(
                .payoutStuck, .usd, UInt128(batch.tokens), number: batch.number,
                since: batch.since, solanaTransaction: batch.transactions.last)
        }
        stranded += await retired()
        stranded += found.strays.map { SolanaReconciliation.item(.solanaOutflow, $0) }
        stranded += book.strayIn
            .filter { transfer in
                !treasuries.owners.contains(transfer.account ?? account)
                    && !found.returned.contains(transfer)
                    && !view.deposits.booked.contains(transfer)
            }
            .map { SolanaReconciliation.item(.solanaInflow, $0) }
        stranded += found.missing.map {
            StrandedItem(
                .paymentMissing, .usd, UInt128($0.units), solanaAccount: $0.account,
                solanaTransaction: $0.transaction)
        }
        return SolanaReconciliation(
            account: account, slot: book.cursor.slot, readAt: readAt,
            lines: SolanaReconciliation.lines(
                found, view.deposits, balance: book.balance,
                holds: mismatch.map { UInt128($0) }) + (pooled?.lines ?? []),
            stranded: stranded)
    }
}

extension Dispersal {
    /// Whether it is a root whose money is in the vault by a transaction that is not known any
    /// more: what moved so much there explains it, and it is not looked for.
    fileprivate var isFundedUnknown: Bool { root.map { $0.isFunded && $0.funding == nil } ?? false }
}
