public import Primitives

/// One look at what happened to a token account since a cursor, up to a final slot, through one
/// node: asks for lists of transactions from the newest down to the cursor, then for the oldest of
/// them one by one.
///
/// A value: questions come out, answers go in. Nothing a node may leave out goes unnoticed:
/// - the list has to reach down to the last transaction that was read, so a node that has forgotten
///   it, or never had it, is found out (`until`, which nodes offer for this, tells nothing apart);
/// - each transaction has to find the balance that the one before it left, so a page that skips one
///   that moved tokens is found out too, whoever skipped it.
public struct VaultScan: Sendable {
    /// What the node is to be asked next.
    public enum Question: Hashable, Sendable {
        /// The transactions that name the account, the newest first; those before one, if given.
        case list(before: Signature?)
        /// One of them.
        case trace(Signature)
    }

    private enum Step {
        case listing
        case tracing(next: Int)
        case done
    }

    private let account: SolanaAddress
    private let program: SolanaAddress?
    private let start: VaultCursor
    private let final: UInt64
    private let most: Int
    private var step = Step.listing
    /// What is to be read, the newest first while it is listed, the oldest first afterwards.
    private var found: [VaultListing] = []
    private var lastListed: VaultListing?
    private var hasMore = false
    private var balance: UInt64
    private var records: [VaultRecord] = []

    /// The most transactions that one look lists: more at once means that the cursor is far behind
    /// what this can catch up with.
    public static let listLimit = 1_000_000

    /// A look from a cursor up to the slot `final`, which has to be final for the node too. A page
    /// has all of a slot or nothing of it, and `most` transactions or the first slot alone.
    ///
    /// - Parameters:
    ///   - program: the payout program, if the account is the vault of one of its pools.
    ///   - history: the first slot that the node has.
    public init(
        of account: SolanaAddress, program: SolanaAddress? = nil, from cursor: VaultCursor,
        upTo final: UInt64, history: UInt64, most: Int = 200
    ) throws(VaultScanError) {
        precondition(most > 0, "a page has at least one transaction")
        self.account = account
        self.program = program
        self.final = final
        self.most = most
        start = cursor
        balance = cursor.balance
        if final <= cursor.slot { step = .done }
        // Without a transaction to come down to, only the node's own word says how far it reaches.
        if cursor.newest == nil, history > cursor.slot &+ 1 { throw .historyMissing }
    }

    /// What to ask next; `nil` when the page is there.
    public var question: Question? {
        switch step {
        case .listing: .list(before: lastListed?.transaction)
        case .tracing(let next): .trace(found[next].transaction)
        case .done: nil
        }
    }

    /// The page, once there are no more questions.
    public var page: VaultPage? {
        guard case .done = step else { return nil }
        let newest = found.last.map {
            VaultCursor.Anchor(transaction: $0.transaction, slot: $0.slot)
        }
        let slot = hasMore ? found.last?.slot ?? start.slot : max(final, start.slot)
        return VaultPage(
            records: records,
            cursor: VaultCursor(slot: slot, newest: newest ?? start.newest, balance: balance),
            hasMore: hasMore)
    }

    /// Takes a list; an empty one is the end of what the node has.
    public mutating func take(_ list: [VaultListing]) throws(VaultScanError) {
        guard case .listing = step else { throw .unasked }
        if list.isEmpty {
            guard start.newest == nil else { throw .historyMissing }
            return beginTracing()
        }
        try checkOrder(of: list)
        for listing in list {
            lastListed = listing
            if let anchor = start.newest {
                if listing.transaction == anchor.transaction {
                    guard listing.slot == anchor.slot else { throw .rewritten(anchor.slot) }
                    return beginTracing()
                }
                // A final slot does not change: either the node is on another chain, or its list
                // leaves something out.
                if listing.slot < anchor.slot { throw .rewritten(anchor.slot) }
            } else if listing.slot <= start.slot {
                return beginTracing()
            }
            guard listing.slot > start.slot, listing.slot <= final else { continue }
            found.append(listing)
            if found.count > Self.listLimit { throw .tooMuch }
        }
    }

    /// A list from the oldest up could begin with the cursor's transaction and so look empty: all
    /// of it has to be in order.
    private func checkOrder(of list: [VaultListing]) throws(VaultScanError) {
        var above = lastListed
        for listing in list {
            if let above, listing.slot > above.slot || listing.transaction == above.transaction {
                throw .outOfOrder(listing.slot)
            }
            above = listing
        }
    }

    /// Takes what a transaction did; `nil` if the node does not know it.
    public mutating func take(_ trace: VaultTrace?) throws(VaultScanError) {
        guard case .tracing(let next) = step else { throw .unasked }
        let listing = found[next]
        guard let trace else { throw .transactionMissing(listing.transaction) }
        guard trace.listing == listing else { throw .otherTransaction(listing.transaction) }
        let (before, after) = trace.balance(of: account)
        guard before == balance else { throw .gap(slot: listing.slot) }
        balance = after
        records += trace.events(of: account, program: program)
        goOn(from: next + 1)
    }

    /// Keeps the oldest transactions up to the end of a slot.
    private mutating func beginTracing() {
        found.reverse()
        if found.count > most {
            let last = found[most - 1].slot
            // The slot that the limit cuts is left for the next page, unless it is the only one.
            var end = most
            if found[most].slot == last {
                end = found.firstIndex { $0.slot == last } ?? 0
                if end == 0 { end = found.firstIndex { $0.slot > last } ?? found.count }
            }
            hasMore = end < found.count
            found.removeSubrange(end...)
        }
        goOn(from: 0)
    }

    /// What was undone changed nothing, and is only an anchor.
    private mutating func goOn(from place: Int) {
        let next = found[place...].firstIndex { !$0.isUndone }
        step = next.map { .tracing(next: $0) } ?? .done
    }
}

/// Why a look at an account's history brought nothing. Each is the node's fault; none means that
/// nothing happened.
public enum VaultScanError: Error, Hashable, Sendable {
    /// The node does not have all of the history since the cursor.
    case historyMissing
    /// The list is not from the newest to the oldest, or repeats one; carries the slot.
    case outOfOrder(UInt64)
    /// The transaction that was read last, in this slot, is not in the list.
    case rewritten(UInt64)
    /// The node lists a transaction and does not know it.
    case transactionMissing(Signature)
    /// The node tells of another transaction than the one it was asked for, or otherwise than its
    /// list does.
    case otherTransaction(Signature)
    /// A transaction of this slot does not find the balance that the one before it left: one is
    /// left out.
    case gap(slot: UInt64)
    /// More has happened since the cursor than one look lists.
    case tooMuch
    /// An answer to another question.
    case unasked
}
