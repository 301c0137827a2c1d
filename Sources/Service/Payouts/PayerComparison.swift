public import Chains
public import Primitives

/// What the books say was, or is to be, paid from the house's token account on Solana, taken at one
/// moment.
public struct PayerPayments: Sendable {
    /// A payment of a dispersal.
    public struct Payment: Hashable, Sendable {
        /// The transaction that made it, or may.
        public let transaction: Signature
        /// The token account that it is for.
        public let account: SolanaAddress
        /// How much, in the token's units.
        public let units: UInt64

        /// A payment of these parts.
        public init(_ transaction: Signature, to account: SolanaAddress, units: UInt64) {
            self.transaction = transaction
            self.account = account
            self.units = units
        }
    }

    /// A dispersal's payments that are made.
    public struct Paid: Sendable {
        /// The payments.
        public let payments: [Payment]
        /// Whether none of it is still to be made.
        public let isOver: Bool

        /// The payments of a dispersal; none if it is not Solana's.
        public init(_ payments: [Payment], isOver: Bool) {
            self.payments = payments
            self.isOver = isOver
        }
    }

    /// The dispersals from the book's mark on.
    public let dispersals: [Paid]
    /// What was signed for payments that are not in the books as made.
    public let underWay: [Payment]
    /// Transactions of which nobody knows any more but that they were found final once, in a slot
    /// that is not after this one.
    public let forgotten: [Signature: UInt64]
    /// All that the books say was ever paid on Solana.
    public let sum: UInt128

    /// What the books say.
    public init(
        _ dispersals: [Paid], underWay: [Payment] = [], forgotten: [Signature: UInt64] = [:],
        sum: UInt128
    ) {
        self.dispersals = dispersals
        self.underWay = underWay
        self.forgotten = forgotten
        self.sum = sum
    }
}

/// The house's token account against the books, transfer by transfer.
public struct PayerComparison: Hashable, Sendable {
    /// Dispersals, from the mark on, that are over and whose payments were all found.
    public struct Settled: Hashable, Sendable {
        /// How many.
        public internal(set) var dispersals = 0
        /// What they paid since the start, and before it.
        public internal(set) var sum: UInt128 = 0
        /// See `sum`.
        public internal(set) var early: UInt128 = 0
        /// Their transfers.
        public internal(set) var transfers: [PayerBook.Transfer] = []
    }

    /// What left the account since the start.
    public let wentOut: UInt128
    /// What of it is a payment of the books.
    public private(set) var found: UInt128
    /// What the books say was paid since the start, up to the slot that was read.
    public private(set) var paid: UInt128
    /// What went to the house's own accounts, or pays what the books learn of in a moment.
    public private(set) var explained: UInt128 = 0
    /// What went and nothing explains.
    public private(set) var strays: [PayerBook.Transfer] = []
    /// What came from a stranger and went back to it, to the unit: it is nobody's deposit.
    public private(set) var returned: Set<PayerBook.Transfer> = []
    /// What came from somebody to whom something went that nothing explains: whether it went back,
    /// a person knows.
    public private(set) var doubtful: Set<PayerBook.Transfer> = []
    /// Payments of the books that the chain does not have.
    public private(set) var missing: [PayerPayments.Payment] = []
    /// What may be forgotten.
    public private(set) var settled = Settled()

    /// Compares. O(transfers and payments since the mark).
    ///
    /// - Parameters:
    ///   - own: token accounts of the house's own.
    ///   - home: the token account of an owner, where what came from it goes back to.
    ///   - slot: in which slot a transaction is that was not read and is not forgotten; the
    ///     greatest number if that was not asked yet, `nil` if the chain does not have it.
    public init(
        _ book: PayerBook, _ books: PayerPayments, own: Set<SolanaAddress> = [],
        home: (SolanaAddress) -> SolanaAddress = { $0 }, slot: (Signature) -> UInt64?
    ) {
        wentOut = book.wentOut
        found = book.retired
        paid = books.sum - min(books.sum, book.early)
        var rest: [PayerPayments.Payment: [PayerBook.Transfer]] = [:]
        for transfer in book.outgoing {
            guard let account = transfer.account else { continue }
            let key = PayerPayments.Payment(
                transfer.transaction, to: account, units: transfer.units)
            rest[key, default: []].append(transfer)
        }
        var isPrefix = true
        for dispersal in books.dispersals {
            var one = Settled(dispersals: 1)
            var isSettled = dispersal.isOver
            for payment in dispersal.payments {
                if let transfer = rest[payment]?.popLast() {
                    found += UInt128(payment.units)
                    one.sum += UInt128(payment.units)
                    one.transfers.append(transfer)
                    continue
                }
                let units = UInt128(payment.units)
                switch Absence(of: payment.transaction, in: book, books, slot) {
                case .open:
                    paid -= min(paid, units)
                    isSettled = false
                case .early:
                    paid -= min(paid, units)
                    one.early += units
                case .wrong:
                    missing.append(payment)
                    isSettled = false
                }
            }
            isPrefix = isPrefix && isSettled
            if isPrefix { settled.add(one) }
        }
        for payment in books.underWay where rest[payment]?.popLast() != nil {
            explained += UInt128(payment.units)
        }
        explain(book.outgoing, rest, own)
        takeReturns(book.strayIn.filter { $0.account != nil }, home)
    }

    /// Why a payment of the books is not in the history that was read.
    private enum Absence {
        /// It may be in what is not read yet.
        case open
        /// It is of before the start.
        case early
        /// It should be there.
        case wrong

        init(
            of transaction: Signature, in book: PayerBook, _ books: PayerPayments,
            _ slot: (Signature) -> UInt64?
        ) {
            if let last = books.forgotten[transaction] {
                // It was found once. What is read has all from the start up to the last slot that
                // it may be in, so that it was before.
                self = last > book.cursor.slot ? .open : .early
                return
            }
            switch slot(transaction) {
            case let slot? where slot > book.cursor.slot: self = .open
            case let slot? where slot <= book.start.slot: self = .early
            default: self = .wrong
            }
        }
    }

    /// Of what is left, what goes back to a stranger from whom just so much came.
    private mutating func takeReturns(
        _ came: [PayerBook.Transfer], _ home: (SolanaAddress) -> SolanaAddress
    ) {
        if strays.isEmpty { return }
        var givers: [SolanaAddress: [PayerBook.Transfer]] = [:]
        for transfer in came {
            guard let owner = transfer.account else { continue }
            givers[home(owner), default: []].append(transfer)
        }
        var left: [PayerBook.Transfer] = []
        for stray in strays {
            let place = stray.account.flatMap { givers[$0] }?.firstIndex {
                $0.units == stray.units && $0.slot <= stray.slot && !returned.contains($0)
            }
            if let account = stray.account, let place, let giver = givers[account]?[place] {
                returned.insert(giver)
                explained += UInt128(stray.units)
            } else {
                left.append(stray)
            }
        }
        strays = left
        for stray in strays {
            guard let account = stray.account else { continue }
            doubtful.formUnion((givers[account] ?? []).filter { $0.slot <= stray.slot })
        }
    }

    /// What is left went to the house's own accounts, or is a stray.
    private mutating func explain(
        _ outgoing: [PayerBook.Transfer],
        _ rest: [PayerPayments.Payment: [PayerBook.Transfer]], _ own: Set<SolanaAddress>
    ) {
        var rest = rest
        for transfer in outgoing {
            guard let account = transfer.account else {
                strays.append(transfer)
                continue
            }
            let key = PayerPayments.Payment(
                transfer.transaction, to: account, units: transfer.units)
            guard rest[key]?.popLast() != nil else { continue }
            if own.contains(account) {
                explained += UInt128(transfer.units)
            } else {
                strays.append(transfer)
            }
        }
    }

    /// Whether each transfer is a payment, and each payment a transfer.
    public var isBalanced: Bool { strays.isEmpty && missing.isEmpty }
}

extension PayerComparison.Settled {
    fileprivate mutating func add(_ other: PayerComparison.Settled) {
        dispersals += other.dispersals
        sum += other.sum
        early += other.early
        transfers += other.transfers
    }
}
