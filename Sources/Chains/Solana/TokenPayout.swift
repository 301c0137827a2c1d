public import Primitives

/// Tokens that are due to one owner.
public struct TokenPayout: Hashable, Sendable {
    /// Who gets them: the owner, not the token account.
    public let owner: SolanaAddress
    /// How many of the smallest unit.
    public let amount: UInt64

    /// A payout.
    public init(to owner: SolanaAddress, amount: UInt64) {
        self.owner = owner
        self.amount = amount
    }
}

/// Pays many owners with few transactions: one checked transfer each, as many in a transaction as
/// its bytes and accounts allow. Without a lookup table that is 19, with one for the token accounts
/// 54.
///
/// Every recipient's token account must be there, be its owner's and not be frozen; that is for the
/// caller to see before, as one bad transfer undoes the whole transaction.
public struct TokenPayoutPlan: Sendable {
    /// The token.
    public let mint: SolanaAddress
    /// The token's decimals, which the program checks.
    public let decimals: UInt8
    /// SPL Token or Token-2022, whichever the mint belongs to.
    public let program: SolanaAddress
    /// The owner of the account that pays; pays the fee too.
    public let payer: SolanaAddress
    /// What a compute unit costs, in millionths of a lamport.
    public var computePrice: UInt64 = 0
    /// Compute units for each transfer: the token program took 6,172 before 2026 and takes 105 now;
    /// Token-2022 takes 2,030 (measured in LiteSVM).
    public var unitsPerTransfer = usualUnitsPerTransfer
    /// The most lamports that one transaction may cost.
    public var feeLimit: UInt64 = 1_000_000
    /// A durable nonce with its account and authority, in place of a recent blockhash.
    public var nonce: (account: SolanaAddress, authority: SolanaAddress)?

    /// See ``unitsPerTransfer``.
    public static let usualUnitsPerTransfer: UInt32 = 6_500
    /// Lamports for a signature.
    public static let signatureFee: UInt64 = 5_000
    /// The most compute units that a transaction may ask for.
    private static let unitLimit: UInt32 = 1_400_000
    /// Compute units that an instruction to a built-in program may take.
    private static let builtInUnits: UInt32 = 150

    /// A plan for a token.
    public init(
        mint: SolanaAddress, decimals: UInt8, payer: SolanaAddress,
        program: SolanaAddress = .token
    ) {
        self.mint = mint
        self.decimals = decimals
        self.payer = payer
        self.program = program
    }

    /// What one transaction of `count` transfers costs at most, in lamports: the signatures and the
    /// limit times the price, rounded up.
    ///
    /// Throws `feeTooHigh` above `feeLimit`.
    public func fee(transfers count: Int, signatures: Int = 1) throws(SolanaError) -> UInt64 {
        try fee(units: limit(count, unitsPerTransfer), signatures: signatures)
    }

    /// What one transaction that makes `count` token accounts costs at most, without their rent.
    func fee(accounts count: Int) throws(SolanaError) -> UInt64 {
        try fee(units: limit(count, Self.unitsPerAccount), signatures: 1)
    }

    private func fee(units: UInt32, signatures: Int) throws(SolanaError) -> UInt64 {
        let product = UInt64(units).multipliedFullWidth(by: computePrice)
        guard product.high < 1_000_000 else { throw .feeTooHigh(.max) }
        let (quotient, remainder) = UInt64(1_000_000).dividingFullWidth(product)
        let (fee, overflow) = quotient.addingReportingOverflow(
            UInt64(signatures) * Self.signatureFee + (remainder > 0 ? 1 : 0))
        guard !overflow, fee <= feeLimit else { throw .feeTooHigh(overflow ? .max : fee) }
        return fee
    }

    private func limit(_ count: Int, _ units: UInt32) -> UInt32 {
        let wanted = UInt64(count) * UInt64(units) + 3 * UInt64(Self.builtInUnits)
        return UInt32(min(wanted, UInt64(Self.unitLimit)))
    }

    /// The message that pays the first of `payouts`, as many as fit, and how many those are; 0 only
    /// if there are none.
    ///
    /// Throws if not even one fits, or costs too much. Compiles about seven messages.
    public func message(
        for payouts: ArraySlice<TokenPayout>, blockhash: Digest,
        tables: [SolanaLookupTable] = []
    ) throws(SolanaError) -> (message: SolanaMessage, count: Int) {
        let source = SolanaAddress.tokenAccount(of: payer, mint: mint, program: program)
        let transfers = payouts.prefix(SolanaMessage.accountLimit).map { payout in
            SolanaInstruction.transfer(
                payout.amount, of: mint, decimals: decimals, from: source,
                to: .tokenAccount(of: payout.owner, mint: mint, program: program),
                authority: payer, program: program)
        }
        return try fitting(transfers, units: unitsPerTransfer, blockhash, tables)
    }

    /// A message of the first of some instructions, as many as fit.
    func fitting(
        _ instructions: [SolanaInstruction], units: UInt32, _ blockhash: Digest,
        _ tables: [SolanaLookupTable]
    ) throws(SolanaError) -> (message: SolanaMessage, count: Int) {
        func message(_ count: Int) throws(SolanaError) -> SolanaMessage {
            var head: [SolanaInstruction] = []
            if let nonce { head.append(.advanceNonce(nonce.account, authority: nonce.authority)) }
            head += [.computeLimit(limit(count, units)), .computePrice(computePrice)]
            return try SolanaMessage(
                head + instructions.prefix(count), payer: payer, blockhash: blockhash,
                tables: tables)
        }
        let least = min(1, instructions.count)
        var best = (message: try message(least), count: least)
        var tooMany = instructions.count + 1
        // Who asks again with what did fit finds it at once.
        if let whole = try? message(instructions.count) {
            best = (whole, instructions.count)
        }
        while tooMany - best.count > 1 {
            let middle = (best.count + tooMany) / 2
            do throws(SolanaError) {
                best = (try message(middle), middle)
            } catch {
                tooMany = middle
            }
        }
        _ = try fee(units: limit(best.count, units), signatures: best.message.signers.count)
        return best
    }
}
