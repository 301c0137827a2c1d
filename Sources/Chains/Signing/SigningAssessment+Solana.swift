import Cryptography
import Primitives

/// What a key on Solana may sign: what a house that pays there has to do with it, and nothing else.
extension SigningPolicy {
    /// As for an EVM transaction. Allowed are transfers of the policy's mints by the key, making
    /// accounts for them, prices, the key's own lookup tables and nonces, statements of books, and
    /// roots of the policy's pools; nothing that another key signs too.
    func assess(
        message bytes: [UInt8], from account: SolanaAddress
    ) throws(SignerRefusal) -> SigningAssessment {
        guard case .solana(let mints, let pools) = scope else {
            throw SignerRefusal(.noSuchKey, "the key's policy is for EVM chains")
        }
        guard let message = SolanaMessageReading(bytes) else {
            throw SignerRefusal(.malformed, "it is no Solana message of version 0")
        }
        guard message.signers == 1, message.accounts.first == account else {
            throw SignerRefusal(.noSuchKey, "the key is not the only signer")
        }
        var assessor = SolanaAssessor(account: account, mints: mints, pools: pools)
        for instruction in message.instructions { try assessor.take(instruction) }
        return SigningAssessment(
            place: SHA256.hash(bytes), cost: try assessor.total(), movement: .each,
            name: assessor.name)
    }
}

/// What the instructions of a message cost and move, one after the other. Each is refused unless
/// everything in it that could give something away is the key's own.
private struct SolanaAssessor {
    let account: SolanaAddress
    let mints: Set<SolanaAddress>
    let pools: Set<SigningPool>
    /// What the log calls the message.
    private(set) var name = "transfers"
    private var cost = SigningCost(coin: 5_000)
    private var movesTokens = false
    private var hasMemo = false
    private var units = Self.computeLimit
    private var price: UInt128 = 0
    /// Accounts that were given lamports, and those of them that became nonce accounts and are
    /// nobody's yet.
    private var funded: [SolanaAddress] = []
    private var made: [SolanaAddress] = []

    /// The most lamports that making a token account costs: rent for 170 bytes, rounded up.
    private static let accountRent: UInt128 = 2_100_000
    /// The most compute units of a transaction (solana-program-runtime,
    /// `MAX_COMPUTE_UNIT_LIMIT`).
    private static let computeLimit: UInt128 = 1_400_000
    /// Lamports that keep a byte of an account for good (solana-rent, two years of 3,480); each
    /// account counts 128 bytes more than it has.
    private static let rentPerByte: UInt128 = 6_960
    /// Bytes of a lookup table without addresses.
    private static let tableBytes: UInt128 = 56
    /// Bytes of a nonce account.
    private static let nonceBytes: UInt64 = 80

    init(account: SolanaAddress, mints: Set<SolanaAddress>, pools: Set<SigningPool>) {
        self.account = account
        self.mints = mints
        self.pools = pools
    }

    /// Takes the next instruction.
    mutating func take(
        _ instruction: SolanaMessageReading.Instruction
    ) throws(SignerRefusal) {
        switch instruction.program {
        case .computeBudget: try takePrice(instruction)
        case .system: try takeNonce(instruction)
        case .lookupTables: try takeTable(instruction)
        case .memo:
            guard BooksStatement(text: instruction.data) != nil else { throw Self.foreign }
            name = "the books"
            hasMemo = true
        case .associatedToken:
            guard instruction.data == [1] else { throw Self.foreign }
            try require(instruction.account(3))
            add(Self.accountRent)
        case .token, .token2022:
            // `TransferChecked`: source, mint, target, authority.
            guard instruction.data.first == 12 else { throw Self.foreign }
            try require(instruction.account(1))
            guard instruction.account(3) == account,
                let amount: UInt64 = instruction.number(at: 1)
            else { throw Self.foreign }
            cost.usd = cost.usd.saturatingSum(UInt128(amount))
            movesTokens = true
        default:
            guard let call = PayoutPoolCall(instruction) else { throw Self.foreign }
            guard pools.contains(SigningPool(program: call.program, pool: call.pool)) else {
                throw SignerRefusal(.contract, "pool \(call.pool) is not in the policy")
            }
            name = call.kind == .activate ? "a root's activation" : "a root"
        }
    }

    /// All of it: what the instructions cost, and what is paid for computing.
    func total() throws(SignerRefusal) -> SigningCost {
        guard funded.isEmpty, made.isEmpty else {
            throw SignerRefusal(
                .function, "lamports go to an account that is not made a nonce of the key's")
        }
        // A text beside a transfer could say whom it is for.
        if movesTokens, hasMemo { throw Self.foreign }
        var total = cost
        total.coin = total.coin.saturatingSum((units * price + 999_999) / 1_000_000)
        return total
    }

    private mutating func takePrice(
        _ instruction: SolanaMessageReading.Instruction
    ) throws(SignerRefusal) {
        switch instruction.data.first {
        case 2:
            guard let limit: UInt32 = instruction.number(at: 1) else { throw Self.foreign }
            units = min(UInt128(limit), Self.computeLimit)
        case 3:
            guard let given: UInt64 = instruction.number(at: 1) else { throw Self.foreign }
            price = UInt128(given)
        default: throw Self.foreign
        }
    }

    /// The key's own durable nonces. Sources of the numbers and accounts: `SystemInstruction` of
    /// solana-system-interface.
    private mutating func takeNonce(
        _ instruction: SolanaMessageReading.Instruction
    ) throws(SignerRefusal) {
        let data = instruction.data
        guard let kind: UInt32 = instruction.number(at: 0) else { throw Self.foreign }
        switch kind {
        case 2:
            // `Transfer`: from, to; lamports. Only for an account that becomes a nonce.
            guard data.count == 12, instruction.account(0) == account,
                let target = instruction.account(1),
                let lamports: UInt64 = instruction.number(at: 4)
            else { throw Self.foreign }
            funded.append(target)
            add(UInt128(lamports))
        case 9:
            // `AllocateWithSeed`: the account, base; base, seed, space, owner.
            guard let made = instruction.account(0), instruction.account(1) == account,
                let place = funded.firstIndex(of: made),
                let seeded = SeededAccount(data), seeded.base == account,
                seeded.owner == .system, seeded.space == Self.nonceBytes
            else { throw Self.foreign }
            name = "a nonce account"
            funded.remove(at: place)
            self.made.append(made)
        case 4:
            // `AdvanceNonceAccount`.
            guard data.count == 4 else { throw Self.foreign }
        case 5:
            // `WithdrawNonceAccount`: back to the key.
            guard data.count == 12, instruction.account(1) == account,
                instruction.account(4) == account
            else { throw Self.foreign }
            name = "a nonce account's end"
        case 6:
            // `InitializeNonceAccount`: whose it is from now on.
            guard data.count == 36, Array(data[4...]) == account.bytes,
                let made = instruction.account(0),
                let place = self.made.firstIndex(of: made)
            else { throw Self.foreign }
            self.made.remove(at: place)
        default: throw Self.foreign
        }
    }

    /// The key's own lookup tables. Source: `ProgramInstruction` of
    /// solana-program/address-lookup-table.
    private mutating func takeTable(
        _ instruction: SolanaMessageReading.Instruction
    ) throws(SignerRefusal) {
        let data = instruction.data
        guard let kind: UInt32 = instruction.number(at: 0), instruction.account(1) == account
        else { throw Self.foreign }
        name = "a lookup table"
        switch kind {
        case 0:
            guard data.count == 13, instruction.account(2) == account else { throw Self.foreign }
            add((128 + Self.tableBytes) * Self.rentPerByte)
        case 2:
            guard instruction.account(2) == account,
                let count: UInt64 = instruction.number(at: 4),
                data.count >= 12, UInt64((data.count - 12) / 32) == count,
                (data.count - 12) % 32 == 0
            else { throw Self.foreign }
            add(UInt128(count) * 32 * Self.rentPerByte)
        case 3:
            guard data.count == 4 else { throw Self.foreign }
        case 4:
            // What it held goes to the key.
            guard data.count == 4, instruction.account(2) == account else { throw Self.foreign }
        default: throw Self.foreign
        }
    }

    private mutating func add(_ lamports: UInt128) {
        cost.coin = cost.coin.saturatingSum(lamports)
    }

    private static var foreign: SignerRefusal {
        SignerRefusal(.function, "an instruction is none that the policy knows")
    }

    private func require(_ mint: SolanaAddress?) throws(SignerRefusal) {
        guard let mint else {
            throw SignerRefusal(.contract, "the mint is in a lookup table, where it is not seen")
        }
        guard mints.contains(mint) else {
            throw SignerRefusal(.contract, "mint \(mint) is not in the policy")
        }
    }
}

/// The data of `AllocateWithSeed`.
private struct SeededAccount {
    let base: SolanaAddress
    let space: UInt64
    let owner: SolanaAddress

    /// `nil` unless it is exactly that: a kind of four bytes, the base, the seed with its length in
    /// eight, space, owner.
    init?(_ data: [UInt8]) {
        func number(_ start: Int) -> UInt64 {
            data[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard data.count >= 44, number(36) <= 32 else { return nil }
        let end = 44 + Int(number(36))
        guard data.count == end + 40, let base = Digest(data[4..<36]),
            let owner = Digest(data[end + 8..<end + 40])
        else { return nil }
        self.base = SolanaAddress(base)
        space = number(end)
        self.owner = SolanaAddress(owner)
    }
}
