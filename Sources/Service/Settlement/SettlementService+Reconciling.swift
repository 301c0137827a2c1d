import Chains
import Clearing
import Logging
import Primitives
import Synchronization

/// Why there is no reconciliation now.
public enum ReconciliationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The chain's logs were not read yet, or settlement is halted.
    case notReady
    /// Too few nodes agree, or they have the state of the block no longer.
    case chain(String)
    /// The books could not be read.
    case books(String)

    /// What is wrong, in a sentence without its full stop.
    public var description: String {
        switch self {
        case .notReady: "the chain's logs are not read yet, or settlement is halted"
        case .chain(let why): "the chain cannot be asked: \(why)"
        case .books(let why): "the books cannot be read: \(why)"
        }
    }
}

extension SettlementService {
    /// How often the house looks by itself.
    private static let reconcileInterval = Duration.seconds(60)
    /// Pages of blocks that one look searches for tokens that were sent straight.
    private static let pagesALook = 200
    /// For how long what left the payer's account may be the house's and not in its books yet,
    /// while something is under way and otherwise.
    private static let payerPatience: (busy: Timestamp.Span, idle: Timestamp.Span) = (
        .seconds(600), .seconds(60)
    )
    /// After how long it is told that it cannot be read.
    private static let unread = Timestamp.Span.seconds(300)
    /// Providers that one look asks the contract about.
    private static let providersALook = 200

    /// The last reconciliation, for whoever wants no new one.
    public var lastReconciliation: Reconciliation? { state.withLock { $0.reconciliation } }

    /// Reconciles until the task is cancelled, and says aloud what is not as it was.
    func reconcileNowAndThen() async {
        var told = ""
        while !Task.isCancelled {
            if let found = try? await reconcile(StrandingRules()) {
                let words = Self.words(found)
                if words != told, !words.isEmpty {
                    log.error("the chain and the books", metadata: ["found": "\(words)"])
                }
                told = words
                try? await Task.sleep(for: Self.reconcileInterval)
            } else {
                try? await Task.sleep(for: .seconds(5))
            }
        }
    }

    private static func words(_ found: Reconciliation) -> String {
        let lines = found.lines.filter { $0.difference != 0 }.map {
            "\($0.check.name) \($0.asset.code) differ by \($0.difference) units"
        }
        let kinds = StrandedItem.Kind.allCases.compactMap { kind -> String? in
            let count = found.stranded.count { $0.kind == kind }
            return count > 0 ? "\(count) \(kind.name)" : nil
        }
        return (lines + kinds).joined(separator: ", ")
    }

    /// Compares the books with the chain at the last block whose logs are booked.
    public func reconcile(
        _ rules: StrandingRules
    ) async throws(ReconciliationError) -> Reconciliation {
        do {
            // While logs are booked the two may not be of one block: then once more.
            for _ in 0..<20 {
                if let found = try await compare(rules) {
                    if rules == StrandingRules() { state.withLock { $0.reconciliation = found } }
                    return found
                }
                try await Task.sleep(for: pollInterval)
            }
        } catch let error as ReconciliationError {
            throw error
        } catch let error as ChainError {
            throw .chain("\(error)")
        } catch {
            throw .books("\(error)")
        }
        throw .notReady
    }

    private func compare(_ rules: StrandingRules) async throws -> Reconciliation? {
        guard !isHalted, let block = state.withLock({ $0.watchedTo }) else {
            throw ReconciliationError.notReady
        }
        let now = Timestamp.systemNow
        let holdings = try await reader.holdings(at: block)
        let root = holdings.root
        let books = try await sequencer.readAtHead {
            BookView($0, activeRoot: root, at: now, rules)
        }.value
        guard books.block <= block, state.withLock({ $0.watchedTo }) == block else { return nil }
        let (strays, isSearched) = try await searched(holdings, books)
        let chainNow = Timestamp(nanoseconds: holdings.timestamp * 1_000_000_000)
        var stranded = strays.found.map { one in
            StrandedItem(
                .strayTransfer, one.asset, one.amount, account: one.sender,
                transaction: one.transaction)
        }
        stranded += try await bondsLeft(books, at: block)
        stranded += try await slashesLeft(books, at: block, rules)
        stranded += Self.left(books, holdings, at: now, chainNow: chainNow, rules)
        let payer = try await payerOutflows(upTo: block, at: now, rules)
        stranded += payer.items
        let solana = try await state.withLock { $0.solana }?.reconciliation(rules)
        stranded += solana?.stranded ?? []
        return Reconciliation(
            network: network, madeAt: now, holdings: holdings,
            lines: Self.lines(books, holdings, strays) + payer.lines + (solana?.lines ?? []),
            owed: books.owed,
            claimable: Self.claimable(books, holdings), stranded: stranded,
            inFlight: books.inFlight, openSlashes: books.openSlashes.count,
            isSearched: isSearched, solana: solana)
    }

    /// What left the account that pays here, and what of it nobody ordered.
    private func payerOutflows(
        upTo block: UInt64, at now: Timestamp, _ rules: StrandingRules
    ) async throws -> (lines: [Reconciliation.Line], items: [StrandedItem]) {
        guard let payerWatch else { return ([], []) }
        let marks = state.withLock { $0.costMarks.charges }
        let charges = Set(driver.charges(after: marks).found.map(\.transaction))
        let isBusy = driver.openIntents > 0
        let found = try await payerWatch.look(
            upTo: block - min(block, PayerWatch.youngBlocks), sequencer, charges: charges,
            at: now)
        // What the house sends it may be about to book.
        let patience = isBusy ? Self.payerPatience.busy : Self.payerPatience.idle
        let start = Timestamp(
            nanoseconds: now.nanoseconds
                - min(min(patience, rules.overdue).nanoseconds, now.nanoseconds))
        var items = found.outflows.flatMap { outflows in
            outflows.unordered(since: start).map { one in
                StrandedItem(
                    .payerOutflow, one.asset, one.units, account: one.receiver,
                    transaction: one.transaction, since: one.seenAt)
            }
        }
        if let since = found.behindSince, since + min(Self.unread, rules.overdue) <= now {
            items.append(StrandedItem(.payerUnread, since: since))
        }
        let lines = found.outflows.flatMap { $0.lines(since: start) }
        return (
            Asset.allCases.map { asset in Self.sum(lines.filter { $0.asset == asset }, asset) },
            items
        )
    }

    /// The lines of several accounts as one.
    private static func sum(_ lines: [Reconciliation.Line], _ asset: Asset) -> Reconciliation.Line {
        func sum(_ part: KeyPath<Reconciliation.Line, UInt128>) -> UInt128 {
            lines.reduce(0) { sum, line in
                let (next, overflow) = sum.addingReportingOverflow(line[keyPath: part])
                return overflow ? .max : next
            }
        }
        return Reconciliation.Line(
            check: .payerSent, asset: asset, chain: sum(\.chain), books: sum(\.books),
            explained: sum(\.explained))
    }

    /// The stray transfers: searched for only while there is more on chain than they explain.
    private func searched(
        _ holdings: SettlementHoldings, _ books: BookView
    ) async throws(ChainError) -> (strays: StrayTransfers, isSearched: Bool) {
        var strays = state.withLock { $0.strays }
        let lines = Self.lines(books, holdings, strays)
        var isSearched = true
        if lines.contains(where: { [.holdings, .claimed].contains($0.check) && $0.difference != 0 })
        {
            isSearched = try await strays.look(upTo: holdings.block, pages: Self.pagesALook)
        } else {
            strays.pass(upTo: holdings.block)
        }
        let result = strays
        state.withLock { state in
            if result.nextBlock >= state.strays.nextBlock { state.strays = result }
        }
        return (result, isSearched)
    }

    private static func lines(
        _ books: BookView, _ holdings: SettlementHoldings, _ strays: StrayTransfers
    ) -> [Reconciliation.Line] {
        var lines = [
            Reconciliation.Line(
                check: .holdings, asset: .usd,
                chain: holdings.usd.inVault + holdings.usd.inContract, books: books.mirror,
                explained: strays.sum(.usd)),
            Reconciliation.Line(
                check: .bonds, asset: .usd, chain: holdings.bonds, books: books.bonds,
                explained: 0),
        ]
        for asset in Asset.allCases {
            let token = asset == .usd ? holdings.usd : holdings.tly
            // As `claimedTotal`, which what strangers sent to the contract makes too low.
            let paidIn = token.active + strays.sum(asset, inContract: true)
            lines.append(
                Reconciliation.Line(
                    check: .claimed, asset: asset,
                    chain: paidIn - min(paidIn, token.inContract),
                    books: books.claimed[asset] ?? 0, explained: 0))
            lines.append(
                Reconciliation.Line(
                    check: .activeRoot, asset: asset, chain: token.active,
                    books: books.active[asset] ?? 0, explained: 0))
        }
        return lines
    }

    private static func claimable(
        _ books: BookView, _ holdings: SettlementHoldings
    ) -> [Asset: UInt128] {
        var found: [Asset: UInt128] = [:]
        for asset in Asset.allCases {
            let active = (asset == .usd ? holdings.usd : holdings.tly).active
            found[asset] = active - min(active, books.claimed[asset] ?? 0)
        }
        return found
    }

    /// What the books and the contract's own words tell is stuck.
    private static func left(
        _ books: BookView, _ holdings: SettlementHoldings, at now: Timestamp,
        chainNow: Timestamp, _ rules: StrandingRules
    ) -> [StrandedItem] {
        var items = books.ownerless.map {
            StrandedItem(
                .ownerlessDeposit, $0.asset, $0.amount, account: $0.account, since: $0.since)
        }
        items += books.unclaimed.map {
            StrandedItem(.unclaimed, $0.asset, $0.amount, account: $0.account, since: $0.since)
        }
        items += books.shutOut.map {
            StrandedItem(.bondAfterExit, $0.asset, $0.amount, account: $0.account)
        }
        let due = Timestamp(nanoseconds: holdings.activeFrom * 1_000_000_000)
        if holdings.isRootWaiting, due + rules.overdue <= chainNow {
            items.append(StrandedItem(.rootNotActivated, number: holdings.batch, since: due))
        }
        if let batch = books.disputed {
            items.append(
                StrandedItem(
                    .rootDisputed, .usd, batch.added(.usd), number: batch.id.rawValue,
                    transaction: batch.transaction, since: batch.cutAt))
        }
        items += books.heldSlashes.map {
            StrandedItem(
                .slashForgone, .usd, Asset.usd.chainUnits($0.captured), number: $0.id.rawValue,
                since: $0.deadline)
        }
        if let batch = books.open, batch.cutAt + rules.overdue <= now {
            items.append(
                StrandedItem(
                    .batchStuck, .usd, batch.added(.usd), number: batch.id.rawValue,
                    since: batch.cutAt))
        }
        items += books.dispersals.map { one in
            StrandedItem(
                .dispersalOpen, one.asset, one.openUnits, number: one.id.rawValue,
                since: one.madeAt)
        }
        for asset in Asset.allCases {
            let token = asset == .usd ? holdings.usd : holdings.tly
            let held = token.inVault + token.inContract
            let owed = asset.chainUnits(books.owed[asset] ?? .zero)
            if owed > held { items.append(StrandedItem(.uncovered, asset, owed - held)) }
        }
        return items
    }

    /// Bonds that could be taken out and were not.
    private func bondsLeft(
        _ books: BookView, at block: UInt64
    ) async throws(ChainError) -> [StrandedItem] {
        let providers = Array(books.leaving.prefix(Self.providersALook))
        if providers.isEmpty { return [] }
        let due = try await reader.withdrawable(providers, at: block)
        return zip(providers, due).filter { $0.1 > 0 }.map {
            StrandedItem(.bondAfterExit, .usd, $0.1, account: $0.0)
        }
    }

    /// Requested slashes that could be carried out and were not.
    private func slashesLeft(
        _ books: BookView, at block: UInt64, _ rules: StrandingRules
    ) async throws(ChainError) -> [StrandedItem] {
        if books.openSlashes.isEmpty { return [] }
        let (now, moments) = try await reader.executableFrom(
            books.openSlashes.map(\.slashKey), at: block)
        let chainNow = Timestamp(nanoseconds: now * 1_000_000_000)
        return zip(books.openSlashes, moments).compactMap { slash, moment in
            guard let moment else { return nil }
            let due = Timestamp(nanoseconds: moment * 1_000_000_000)
            guard due + rules.overdue <= chainNow else { return nil }
            return StrandedItem(
                .slashNotExecuted, .usd, Asset.usd.chainUnits(slash.captured),
                number: slash.id.rawValue, since: due)
        }
    }
}
