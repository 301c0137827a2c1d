public import Primitives

/// A transaction as a list of an account's history names it.
public struct VaultListing: Hashable, Sendable {
    /// Its name.
    public let transaction: Signature
    /// The slot of its block.
    public let slot: UInt64
    /// Whether it was undone: then it changed nothing but its payer's lamports.
    public let isUndone: Bool

    /// A transaction of these parts.
    public init(transaction: Signature, slot: UInt64, isUndone: Bool) {
        self.transaction = transaction
        self.slot = slot
        self.isUndone = isUndone
    }
}

/// What a transaction did, as far as it matters to a watched token account.
public struct VaultTrace: Hashable, Sendable {
    /// One instruction, of the message or of a program that called another.
    public struct Instruction: Hashable, Sendable {
        /// The program.
        public let program: SolanaAddress
        /// Its accounts.
        public let accounts: [SolanaAddress]
        /// Its data; empty where no event is told from it.
        public let data: [UInt8]

        /// An instruction of these parts.
        public init(program: SolanaAddress, accounts: [SolanaAddress], data: [UInt8]) {
            self.program = program
            self.accounts = accounts
            self.data = data
        }
    }

    /// The transaction.
    public let listing: VaultListing
    /// All instructions, each before those that it led to.
    public let instructions: [Instruction]
    /// What each token account among its accounts held before, and whose it is.
    public let before: [Holding]
    /// The same afterwards.
    public let after: [Holding]

    /// The tokens in an account.
    public struct Holding: Hashable, Sendable {
        /// The token account.
        public let account: SolanaAddress
        /// Whose it is; `nil` if the node does not say.
        public let owner: SolanaAddress?
        /// How much.
        public let amount: UInt64

        /// A holding of these parts.
        public init(account: SolanaAddress, owner: SolanaAddress?, amount: UInt64) {
            self.account = account
            self.owner = owner
            self.amount = amount
        }
    }

    /// A trace of these parts.
    public init(
        listing: VaultListing, instructions: [Instruction], before: [Holding], after: [Holding]
    ) {
        self.listing = listing
        self.instructions = instructions
        self.before = before
        self.after = after
    }

    /// Whether an account is one of its token accounts.
    func names(_ account: SolanaAddress) -> Bool {
        (before + after).contains { $0.account == account }
    }

    /// What an account held before and afterwards; zero where it was no token account.
    func balance(of account: SolanaAddress) -> (before: UInt64, after: UInt64) {
        func amount(_ holdings: [Holding]) -> UInt64 {
            holdings.first { $0.account == account }?.amount ?? 0
        }
        return (amount(before), amount(after))
    }

    private func owner(of account: SolanaAddress) -> SolanaAddress? {
        (before + after).first { $0.account == account }?.owner
    }
}

extension VaultTrace {
    /// Tokens that an instruction of a token program moves.
    private struct Movement {
        let source: SolanaAddress
        let target: SolanaAddress
        let authority: SolanaAddress
        let amount: UInt64
        let references: [SolanaAddress]

        /// `Transfer` (3) and `TransferChecked` (12); the keys behind an instruction's own accounts
        /// are references, or the signers of a multisignature, which sign.
        init?(_ instruction: Instruction) {
            guard [.token, .token2022].contains(instruction.program) else { return nil }
            let (count, data) = (instruction.accounts.count, instruction.data)
            let isChecked = data.first == 12
            guard isChecked ? data.count == 10 && count >= 4 : data.count == 9 && count >= 3,
                isChecked || data.first == 3
            else { return nil }
            source = instruction.accounts[0]
            target = instruction.accounts[isChecked ? 2 : 1]
            authority = instruction.accounts[isChecked ? 3 : 2]
            amount = VaultTrace.number(data[1..<9])
            references = Array(instruction.accounts.dropFirst(isChecked ? 4 : 3))
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The events of a token account in this transaction, in the order of the instructions. What
    /// they say of the balance always adds up to what the balance did.
    ///
    /// - Parameter program: the payout program, if the account is the vault of a pool.
    func events(of vault: SolanaAddress, program: SolanaAddress?) -> [VaultRecord] {
        var records: [VaultRecord] = []
        var balance = balance(of: vault)
        let after = balance.after
        let memo = memo
        var claim: (payee: SolanaAddress, cumulative: UInt64)?
        for (index, instruction) in instructions.enumerated() {
            func add(_ event: VaultEvent) {
                records.append(
                    VaultRecord(
                        place: VaultPlace(
                            slot: listing.slot, transaction: listing.transaction,
                            instruction: UInt32(index)), event: event))
            }
            if instruction.program == program {
                claim = instruction.claim
                if let root = instruction.committedRoot { add(.committed(root)) }
            }
            guard let movement = Movement(instruction), movement.source != movement.target else {
                continue
            }
            if movement.target == vault {
                balance.before &+= movement.amount
                add(
                    .deposited(
                        amount: movement.amount,
                        owner: owner(of: movement.source) ?? movement.authority, memo: memo,
                        references: movement.references))
            } else if movement.source == vault {
                balance.before &-= movement.amount
                if let paid = claim {
                    claim = nil
                    add(
                        .claimed(
                            payee: paid.payee, amount: movement.amount,
                            cumulative: paid.cumulative))
                } else {
                    add(.withdrawn(amount: movement.amount, to: movement.target))
                }
            }
        }
        if balance.before != after {
            records.append(
                VaultRecord(
                    place: VaultPlace(
                        slot: listing.slot, transaction: listing.transaction,
                        instruction: UInt32(instructions.count)),
                    event: .changed(before: balance.before, after: after)))
        }
        return records
    }

    /// The text of the only memo; `nil` with none, with an empty one, which names nobody, or with
    /// several, which would be ambiguous.
    private var memo: String? {
        let memos = instructions.filter { SolanaAddress.memoPrograms.contains($0.program) }
        guard memos.count == 1 else { return nil }
        return memos[0].data.isEmpty ? nil : String(validating: memos[0].data, as: UTF8.self)
    }

    /// How many bytes a call's data may have for an event to be told from it; 0 if none is. Anybody
    /// names an account in calls of any program: their data is to be left as it is.
    ///
    /// - Parameters:
    ///   - pool: the payout program, if its events are told.
    ///   - memos: how many memos the transaction has.
    static func readBytes(of program: SolanaAddress, pool: SolanaAddress?, memos: Int) -> Int {
        // The longest claim; a root is shorter.
        if program == pool { return 16 + 32 * PayoutPool.proofLimit }
        // A checked transfer.
        if [.token, .token2022].contains(program) { return 10 }
        // All that one program may hand to another.
        if SolanaAddress.memoPrograms.contains(program), memos == 1 { return 10_240 }
        return 0
    }
}

extension VaultTrace.Instruction {
    /// A claim of the payout program (kind 5): whom it pays, and up to what.
    fileprivate var claim: (payee: SolanaAddress, cumulative: UInt64)? {
        guard accounts.count == 6, data.count >= 16, kind == 5 else { return nil }
        return (accounts[5], word(8))
    }

    /// A root that is committed (kind 1).
    fileprivate var committedRoot: PayoutRoot? {
        guard data.count == 120, kind == 1, let root = Digest(Array(data[24..<56])),
            let head = Digest(Array(data[56..<88])), let owed = Digest(Array(data[88..<120]))
        else { return nil }
        return PayoutRoot(
            epoch: word(8), root: root, total: word(16), journalHead: head, liabilities: owed)
    }

    private var kind: UInt64 { data.count >= 8 ? word(0) : .max }

    private func word(_ first: Int) -> UInt64 {
        data[first..<first + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension SolanaAddress {
    /// The memo program, and the one of before that asked for no signatures.
    static let memoPrograms = [memo, SolanaAddress("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo")]
}
