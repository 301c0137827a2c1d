import Chains
import Clearing
import Logging
import Primitives
import Storage
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
    /// How often it looks who waits to be paid.
    private static let unpaidInterval = Timestamp.Span.seconds(3_600)
    /// Pages of blocks that one look searches for tokens that were sent straight.
    private static let pagesALook = 200
    /// After how long it is told that something cannot be read.
    private static let unread = Timestamp.Span.seconds(300)

    /// The last reconciliation, for whoever wants no new one.
    public var lastReconciliation: Reconciliation? { state.withLock { $0.reconciliation } }

    /// Reconciles until the task is cancelled, and says aloud what is not as it was.
    func reconcileNowAndThen() async {
        var told = ""
        var failing: Timestamp?
        while !Task.isCancelled {
            do throws(ReconciliationError) {
                let found = try await reconcile(StrandingRules())
                failing = nil
                let words = Self.words(found)
                if words != told, !words.isEmpty {
                    log.error("the chain and the books", metadata: ["found": "\(words)"])
                }
                told = words
                try? await Task.sleep(for: Self.reconcileInterval)
            } catch {
                let since = failing ?? Timestamp.systemNow
                failing = since
                if since + Self.unread <= Timestamp.systemNow {
                    log.error(
                        "the books are not compared with the chain", metadata: ["why": "\(error)"])
                    failing = Timestamp.systemNow
                }
                // Of the first look it depends whether anybody is paid.
                let isFirst = lastReconciliation == nil
                try? await Task.sleep(for: .seconds(isFirst ? 1 : 5))
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
            // While logs are booked the books may not be those of one block: then once more.
            for _ in 0..<20 {
                if let found = try await compare(rules) {
                    if rules == StrandingRules() { note(found) }
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
        let account = payer?.account
        // What is unpaid for days is looked up by the hour: it is the longest look.
        let isUsual = rules == StrandingRules()
        let known = state.withLock { isUsual ? $0.unpaid : nil }
        let unpaid = known.flatMap { $0.at + Self.unpaidInterval > now ? $0.view : nil }
        let books = try await sequencer.readAtHead {
            BookView($0, payer: account, unpaid: unpaid, at: now, rules)
        }.value
        if isUsual, unpaid == nil { state.withLock { $0.unpaid = (books.unpaid, now) } }
        // The books first: they are read at once, and nodes may take longer than a block does.
        guard books.block <= block else { return nil }
        let holdings = try await reader.holdings(at: block)
        guard !isHalted, state.withLock({ $0.watchedTo }) ?? 0 >= block else { return nil }
        let (strays, isSearched) = try await searched(holdings, books)
        var stranded = strays.found.map { one in
            StrandedItem(
                .strayTransfer, one.asset, one.amount, account: one.sender,
                transaction: one.transaction)
        }
        stranded += await bondsLeft(books, holdings, rules)
        stranded += try await slashesLeft(books, at: block, now: now, rules)
        stranded += await channelsLeft(books, holdings, at: now, rules)
        stranded += Self.left(books, holdings, strays, at: now, rules)
        let payer = try await payerFlows(upTo: block, at: now, rules)
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

    /// What left the account that pays here, what of it nobody ordered, and what strangers sent.
    private func payerFlows(
        upTo block: UInt64, at now: Timestamp, _ rules: StrandingRules
    ) async throws -> (lines: [Reconciliation.Line], items: [StrandedItem]) {
        guard let payerWatch else { return ([], []) }
        let marks = state.withLock { $0.costMarks.charges }
        let charges = Set(driver.charges(after: marks).found.map(\.transaction))
        let isBusy = driver.openIntents > 0
        let found = try await payerWatch.look(
            upTo: block - min(block, PayerWatch.youngBlocks), sequencer, charges: charges,
            accounts: driver.lanes.map(\.address), at: now)
        let start = PayerFlows.known(at: now, isBusy: isBusy, overdue: rules.overdue)
        func item(_ kind: StrandedItem.Kind, _ one: PayerFlows.Item) -> StrandedItem {
            StrandedItem(
                kind, one.asset, one.units, account: one.other, transaction: one.transaction,
                since: one.seenAt)
        }
        var items = found.flows.flatMap { flows in
            flows.unordered(since: start).map { item(.payerOutflow, $0) }
                + flows.strays.map { item(.payerInflow, $0) }
                + Asset.allCases.compactMap { asset in
                    flows.unlisted[asset].map {
                        StrandedItem(.payerDust, asset, $0.units, number: $0.transfers)
                    }
                }
        }
        if let since = found.behindSince, since + min(Self.unread, rules.overdue) <= now {
            items.append(StrandedItem(.payerUnread, since: since))
        }
        return (PayerFlows.lines(found.flows, since: start), items)
    }

    /// The stray transfers: searched for only while there is more on chain than they explain. What
    /// was found stays known to the next process.
    private func searched(
        _ holdings: SettlementHoldings, _ books: BookView
    ) async throws -> (strays: StrayTransfers, isSearched: Bool) {
        var strays = state.withLock { $0.strays }
        let lines = Self.lines(books, holdings, strays)
        var isSearched = true
        if lines.contains(where: { [.holdings, .claimed].contains($0.check) && $0.difference != 0 })
        {
            isSearched = try await strays.look(upTo: holdings.block, pages: Self.pagesALook)
            try await save(strays)
        } else {
            strays.pass(upTo: holdings.block)
        }
        let result = strays
        state.withLock { state in
            if result.nextBlock >= state.strays.nextBlock { state.strays = result }
        }
        return (result, isSearched)
    }

    /// Writes down how far the search is.
    func save(_ strays: StrayTransfers) async throws {
        try await strayRecords.replace(upTo: 0, with: strays.canonicalBytes())
    }

    private static func lines(
        _ books: BookView, _ holdings: SettlementHoldings, _ strays: StrayTransfers
    ) -> [Reconciliation.Line] {
        var lines = [
            Reconciliation.Line(
                check: .holdings, asset: .usd,
                chain: holdings.usd.held, books: books.mirror,
                explained: strays.sum(.usd)),
            Reconciliation.Line(
                check: .bonds, asset: .usd, chain: holdings.bonds, books: books.bonds,
                explained: 0),
        ]
        let active = books.active(holdings)
        for asset in Asset.allCases {
            let token = asset == .usd ? holdings.usd : holdings.tly
            // As `claimedTotal`, which what strangers sent to the contract makes too low.
            let paidIn = token.active.saturatingSum(strays.sum(asset, inContract: true))
            lines.append(
                Reconciliation.Line(
                    check: .claimed, asset: asset,
                    chain: paidIn - min(paidIn, token.inContract),
                    books: books.claimed[asset] ?? 0, explained: 0))
            lines.append(
                Reconciliation.Line(
                    check: .activeRoot, asset: asset, chain: token.active,
                    books: active[asset] ?? 0, explained: 0))
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
}
