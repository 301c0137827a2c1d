public import Primitives

/// Whether a payout can be made to an owner: what its token account says. A payout that cannot is
/// put aside and stays due: one bad transfer would undo its whole transaction, and tokens sent to
/// an account that somebody else controls would be lost.
public enum TokenRecipient: Hashable, Sendable {
    /// The account is there and takes tokens.
    case ready
    /// There is no account: it can be made.
    case missing
    /// Nothing must be sent there now.
    case quarantined(Reason)

    /// Why nothing must be sent.
    public enum Reason: String, Hashable, Sendable {
        /// The account is frozen by the mint's authority.
        case frozen
        /// The account belongs to somebody else now.
        case foreignOwner
        /// The account is of another mint, or of no token program.
        case notATokenAccount
        /// The account is there but was never made ready.
        case uninitialised
    }

    /// Bytes of a token account of SPL Token; those of Token-2022 have extensions after them.
    private static let accountBytes = 165

    /// What an account says, at the place where `owner` holds `mint`.
    ///
    /// Source of the layout: `spl_token::state::Account` of solana-program/token: mint, owner,
    /// amount, an optional delegate, then one byte of state (0 not ready, 1 ready, 2 frozen).
    public init(
        _ account: SolanaAccount?, owner: SolanaAddress, mint: SolanaAddress,
        program: SolanaAddress = .token
    ) {
        // Lamports that a stranger sent to an address do not make an account of it.
        guard let account, !(account.owner == .system && account.data.isEmpty) else {
            self = .missing
            return
        }
        guard account.owner == program, account.data.count >= Self.accountBytes,
            Array(account.data[0..<32]) == mint.bytes
        else {
            self = .quarantined(.notATokenAccount)
            return
        }
        switch account.data[108] {
        case 0: self = .quarantined(.uninitialised)
        case 2: self = .quarantined(.frozen)
        case 1 where Array(account.data[32..<64]) == owner.bytes: self = .ready
        case 1: self = .quarantined(.foreignOwner)
        default: self = .quarantined(.notATokenAccount)
        }
    }
}

extension TokenPayoutPlan {
    /// Payouts by what their recipients' accounts say.
    public struct Preflight: Sendable {
        /// Those that can be paid.
        public var ready: [TokenPayout] = []
        /// Those whose accounts have to be made first.
        public var missing: [TokenPayout] = []
        /// Those that must wait, and why.
        public var quarantined: [(payout: TokenPayout, reason: TokenRecipient.Reason)] = []
    }

    /// Looks at every recipient's token account.
    public func preflight(
        _ payouts: [TokenPayout], on chain: SolanaChain
    ) async throws(ChainError) -> Preflight {
        let accounts = try await chain.accounts(
            payouts.map { .tokenAccount(of: $0.owner, mint: mint, program: program) })
        var found = Preflight()
        for (payout, account) in zip(payouts, accounts) {
            switch TokenRecipient(account, owner: payout.owner, mint: mint, program: program) {
            case .ready: found.ready.append(payout)
            case .missing: found.missing.append(payout)
            case .quarantined(let reason): found.quarantined.append((payout, reason))
            }
        }
        return found
    }

    /// The message that makes token accounts for the first of `owners`, as many as fit, which are
    /// twelve, and how many those are. Each costs the payer its rent.
    public func makingAccounts(
        for owners: ArraySlice<SolanaAddress>, blockhash: Digest
    ) throws(SolanaError) -> (message: SolanaMessage, count: Int) {
        let makers = owners.prefix(16).map { owner in
            SolanaInstruction.makeTokenAccount(
                of: owner, mint: mint, payer: payer, program: program)
        }
        return try fitting(makers, units: Self.unitsPerAccount, blockhash, [])
    }

    /// Compute units for making an account: 16,400 now and 20,400 before 2026, and more for one
    /// whose bump is low (measured in LiteSVM).
    static let unitsPerAccount: UInt32 = 40_000
}
