public import Primitives

/// Pays a channel out so that nobody loses.
///
/// The program's `distribute` gives the treasury for good what an account cannot take. So the same
/// transaction first sees of each recipient's account that it can: it makes the account, which does
/// nothing if it is there and fails if it is somebody else's by now, and then moves nothing into
/// it, which fails if it is frozen. What fails undoes all of the transaction.
public struct DistributePlan: Hashable, Sendable {
    /// The channel.
    public let channel: PaymentChannel
    /// The owner that the program was built with.
    public let treasury: SolanaAddress
    /// Who pays for the transaction and the accounts that it makes. Transfers of nothing are from
    /// its own account of the mint, which is made too.
    public let sender: SolanaAddress
    /// The mint's decimals, which transfers say.
    public let decimals: UInt8
    /// The owners whose accounts are seen to take tokens, each once: the sender, then recipients.
    public let guarded: [SolanaAddress]
    /// Whether the treasury's account is made: without one the program pays nobody.
    public let makesTreasury: Bool
    /// What comes before in the same transaction, such as the seal.
    public var first: [SolanaInstruction] = []

    /// Compute units for a guard: making an account takes 20,400 at most and more if its bump is
    /// low, a transfer 6,200 (`TokenPayoutPlan`).
    private static let unitsPerGuard: UInt32 = 45_000
    private static let unitLimit: UInt32 = 1_400_000

    /// A plan that guards the accounts of these owners.
    public init(
        _ channel: PaymentChannel, treasury: SolanaAddress, sender: SolanaAddress,
        decimals: UInt8, guarding owners: [SolanaAddress], makesTreasury: Bool = false
    ) {
        self.channel = channel
        self.treasury = treasury
        self.sender = sender
        self.decimals = decimals
        guarded = ([sender] + owners).onlyFirst
        self.makesTreasury = makesTreasury
    }

    /// A plan that guards everybody whom the channel can ever pay, and makes the treasury's
    /// account: it has the most bytes that one of this sender's can have.
    public init(
        guardingAllOf channel: PaymentChannel,
        treasury: SolanaAddress = PaymentChannel.standardTreasury, sender: SolanaAddress
    ) {
        let terms = channel.terms
        self.init(
            channel, treasury: treasury, sender: sender, decimals: 0,
            guarding: terms.splits.map(\.recipient) + [terms.payee, terms.payer],
            makesTreasury: true)
    }

    /// The transaction's instructions, its compute limit included.
    public var instructions: [SolanaInstruction] {
        [.computeLimit(units)] + first + (makesTreasury ? [make(treasury)] : [])
            + guarded.flatMap { [make($0), probe($0)] } + [channel.distribute(treasury: treasury)]
    }

    /// The transaction to sign. Throws `tooLarge` with many splits: nobody is left unguarded.
    public func message(
        blockhash: Digest, tables: [SolanaLookupTable] = []
    ) throws(SolanaError) -> SolanaMessage {
        try SolanaMessage(instructions, payer: sender, blockhash: blockhash, tables: tables)
    }

    /// Whether it fits a transaction.
    public func fits(_ tables: [SolanaLookupTable] = []) -> Bool {
        (try? message(blockhash: .zero, tables: tables)) != nil
    }

    /// Whether it fits one over a lookup table of all that a table can hold for it.
    public var fitsOverTable: Bool { fits([SolanaLookupTable(.lookupTables, lookups)]) }

    /// What holds the channel up if its transaction cannot be made.
    public func hold(_ error: SolanaError) -> DistributeHold {
        DistributeHold(channel, .tooLarge(error, fitsOverTable: fitsOverTable))
    }

    /// The addresses that a lookup table can hold for it, each once.
    public var lookups: [SolanaAddress] {
        let all = instructions
        let barred = Set(
            all.map(\.program) + all.flatMap { $0.accounts.filter(\.isSigner).map(\.address) })
        return all.flatMap { $0.accounts.map(\.address) }.onlyFirst.filter {
            !barred.contains($0)
        }
    }

    /// Whose account it was about when the transaction failed, by the number of the instruction in
    /// a node's words; `nil` if no guard failed.
    public func culprit(in words: String) -> SolanaAddress? {
        guard let mark = words.firstRange(of: "nstruction "),
            let place = Int(words[mark.upperBound...].prefix(while: \.isNumber))
        else { return nil }
        let guards = 1 + first.count + (makesTreasury ? 1 : 0)
        guard place >= guards, guarded.indices.contains((place - guards) / 2) else { return nil }
        return guarded[(place - guards) / 2]
    }

    /// What holds the channel up after its transaction failed with a node's words.
    public func hold(after words: String) -> DistributeHold {
        DistributeHold(channel, owner: culprit(in: words), .undone(words))
    }

    private var units: UInt32 {
        let count = UInt32(guarded.count) + (makesTreasury ? 1 : 0)
        let splits = UInt32(channel.terms.splits.count)
        return min(80_000 + 20_000 * splits + count * Self.unitsPerGuard, Self.unitLimit)
    }

    private func make(_ owner: SolanaAddress) -> SolanaInstruction {
        .makeTokenAccount(
            of: owner, mint: channel.terms.mint, payer: sender, program: channel.token)
    }

    private func probe(_ owner: SolanaAddress) -> SolanaInstruction {
        .transfer(
            0, of: channel.terms.mint, decimals: decimals, from: channel.tokenAccount(of: sender),
            to: channel.tokenAccount(of: owner), authority: sender, program: channel.token)
    }
}

extension DistributePlan {
    /// The plan for a channel as it was seen. Throws who cannot be paid.
    ///
    /// Guarded is who has a share, whatever it comes to now: more may be settled until the block.
    ///
    /// - Parameters:
    ///   - isSealing: whether `first` will seal it, so that the payer is paid too.
    ///   - makesMissing: whether to make accounts that were missing, at the sender's cost; else
    ///     they are waited for. One that is closed later than the look is made in any case.
    public init(
        _ channel: PaymentChannel, _ state: PaymentChannelState, isSealing: Bool = false,
        treasury: SolanaAddress, sender: SolanaAddress, _ sight: DistributeSight,
        makesMissing: Bool
    ) throws(DistributeHold) {
        let terms = channel.terms
        var paid = terms.splits.map(\.recipient)
        if terms.splits.reduce(0, { $0 + Int($1.shareBps) }) < 10_000 { paid.append(terms.payee) }
        let isSealed = state.status == .sealed
        if state.payerWithdrawnAt == 0, !isSealed || state.deposit > state.settled {
            // An open channel pays the payer nothing, unless somebody seals it before the block:
            // then a sound account stays guarded, and another holds up nobody's pay.
            let isSound =
                sight.accounts[terms.payer] == .ready && !sight.extended.contains(terms.payer)
            if isSealed || isSealing || isSound { paid.append(terms.payer) }
        }
        for owner in paid + [treasury] where sight.extended.contains(owner) {
            throw DistributeHold(channel, owner: owner, .extended)
        }
        for owner in paid + [sender, treasury] {
            switch sight.accounts[owner] {
            case .quarantined(let why):
                throw DistributeHold(channel, owner: owner, .unfit(why))
            case .missing where !makesMissing && owner != sender:
                throw DistributeHold(channel, owner: owner, .missing)
            default: break
            }
        }
        self.init(
            channel, treasury: treasury, sender: sender, decimals: sight.decimals, guarding: paid,
            makesTreasury: sight.accounts[treasury] == .missing)
    }
}

/// How the accounts are that paying a channel out touches.
public struct DistributeSight: Hashable, Sendable {
    /// The token accounts, by their owners.
    public let accounts: [SolanaAddress: TokenRecipient]
    /// Owners of accounts with extensions of Token-2022 that the program does not pay into.
    public let extended: Set<SolanaAddress>
    /// The mint's decimals.
    public let decimals: UInt8

    /// Accounts as they were seen.
    public init(
        accounts: [SolanaAddress: TokenRecipient], extended: Set<SolanaAddress> = [],
        decimals: UInt8
    ) {
        self.accounts = accounts
        self.extended = extended
        self.decimals = decimals
    }

    /// Whether a token account has an extension besides the one by which its owner never changes
    /// (`ImmutableOwner`, 7): after 165 bytes and a kind of one, kinds u16 with lengths u16.
    static func isExtended(_ account: SolanaAccount) -> Bool {
        let data = account.data
        func number(_ place: Int) -> Int { Int(data[place]) | Int(data[place + 1]) << 8 }
        var place = 166
        while place + 4 <= data.count, number(place) != 0 {
            guard number(place) == 7 else { return true }
            place += 4 + number(place + 2)
        }
        return false
    }
}

/// Why a channel is not paid out now, and nothing was lost.
public struct DistributeHold: Error, Hashable, Sendable {
    /// What holds it up.
    public enum Reason: Hashable, Sendable {
        /// The owner has no token account.
        case missing
        /// The owner's token account cannot take tokens.
        case unfit(TokenRecipient.Reason)
        /// The owner's token account has extensions of Token-2022 that the program does not pay
        /// into, such as a CPI guard.
        case extended
        /// The transaction failed, in the chain's words: all of it was undone.
        case undone(String)
        /// The transaction does not fit, but may do so over a lookup table.
        case tooLarge(SolanaError, fitsOverTable: Bool)
        /// The nodes do not agree on how the accounts are.
        case unclear(String)
    }

    /// The channel.
    public let channel: PaymentChannel
    /// Whose account it is about, if it is about one.
    public let owner: SolanaAddress?
    /// What holds it up.
    public let reason: Reason

    /// A hold of these parts.
    public init(_ channel: PaymentChannel, owner: SolanaAddress? = nil, _ reason: Reason) {
        self.channel = channel
        self.owner = owner
        self.reason = reason
    }

    /// Whether a transaction was sent, and failed.
    public var isUndone: Bool {
        guard case .undone = reason else { return false }
        return true
    }
}

extension DistributeHold: CustomStringConvertible {
    /// What is wrong and what to do: a sentence without its full stop.
    public var description: String {
        let account = owner.map { "the token account of \($0)" } ?? "no account"
        switch reason {
        case .missing:
            return "\(account) is missing: exchequer channels close makes it, at your cost; "
                + "nothing was sent"
        case .unfit(let why):
            return "\(account) cannot be paid (\(why.rawValue)), and what cannot be paid the "
                + "program gives to the treasury for good: have it put right first; nothing was "
                + "sent"
        case .extended:
            return "\(account) has an extension of Token-2022 (such as a CPI guard or required "
                + "memos), into which the program does not pay but gives to the treasury for good: "
                + "have it paid to another owner, or taken off; nothing was sent"
        case .undone(let words) where owner != nil:
            return "\(account) could not be paid any more when its turn came (\(words)): all of "
                + "the transaction was undone, so nobody was paid and nobody lost anything but a "
                + "fee; have the account put right, then try again"
        case .undone(let words):
            return "the transaction was undone (\(words)): nobody was paid and nobody lost "
                + "anything but a fee; try again"
        case .tooLarge(let error, let fitsOverTable):
            return "the payout with \(channel.terms.splits.count) splits and a guard for each does "
                + "not fit a transaction (\(error))"
                + (fitsOverTable
                    ? ": exchequer channels table make or extend puts its accounts into the "
                        + "store's lookup table" : ", not even over a lookup table")
                + "; nothing was sent"
        case .unclear(let words):
            return "how its recipients' accounts are is not known (\(words)); nothing was sent"
        }
    }
}

extension ChainNodes<SolanaChain> {
    /// How enough nodes say that the accounts are that paying a channel out touches.
    public func sight(
        for channel: PaymentChannel, treasury: SolanaAddress, sender: SolanaAddress
    ) async throws(ChainError) -> DistributeSight {
        let terms = channel.terms
        let owners =
            ([terms.payee, terms.payer, treasury, sender] + terms.splits.map(\.recipient))
            .onlyFirst
        return try await agreed { node throws(ChainError) in
            let found = try await node.accounts(
                owners.map { channel.tokenAccount(of: $0) } + [terms.mint])
            // `spl_token::state::Mint`: the decimals are the byte at 44 of 82.
            guard let mint = found[owners.count], mint.owner == channel.token,
                mint.data.count >= 82
            else { throw .inconsistentNode("\(terms.mint) is no mint") }
            var accounts: [SolanaAddress: TokenRecipient] = [:]
            var extended: Set<SolanaAddress> = []
            for (owner, account) in zip(owners, found) {
                accounts[owner] = TokenRecipient(
                    account, owner: owner, mint: terms.mint, program: channel.token)
                if let account, account.owner == channel.token, channel.token == .token2022,
                    DistributeSight.isExtended(account)
                {
                    extended.insert(owner)
                }
            }
            return DistributeSight(
                accounts: accounts, extended: extended, decimals: mint.data[44])
        }
    }
}

extension [SolanaAddress] {
    /// Each once, where it comes first.
    fileprivate var onlyFirst: [SolanaAddress] {
        var seen: Set<SolanaAddress> = []
        return filter { seen.insert($0).inserted }
    }
}
