import Cryptography
public import Primitives

/// Makes and ends the durable nonces that payouts use, a step at a time: the next when the last is
/// seen in a final block, or can no longer be carried out.
///
/// Their addresses follow from the payer and a number, so nothing of them can be lost. A step that
/// is done twice costs a fee.
public actor NonceKeeper {
    /// The most nonces there are.
    public static let most = 64
    /// What a nonce account holds: a version, a state, an authority, the value and a price.
    static let accountBytes = 80

    /// What came of a look.
    public struct Round: Sendable {
        /// The nonces that payments may use.
        public let usable: [SolanaAddress]
        /// Whether all is as it should be, so that the next look has time.
        public let isSettled: Bool
        /// What was sent.
        public let sent: Signature?
    }

    private let nodes: SolanaNodes
    private let key: any SolanaSigner
    private let count: Int
    private let price: UInt64
    /// What there was when the last step was sent, and until which height it may count.
    private var sent: (accounts: [Held], lastValidHeight: UInt64)?

    private static let perTransaction = 4
    private static let units: UInt32 = 30_000

    /// A nonce account of the payer's.
    private enum Held: Hashable, Sendable {
        case none
        /// Ours, with so many lamports.
        case ours(UInt64)
        case foreign
    }

    /// A keeper of so many nonces, at most `most`; those that a higher number made are ended.
    ///
    /// - Parameter price: for a compute unit, in millionths of a lamport.
    public init(
        _ nodes: SolanaNodes, key: any SolanaSigner, count: Int, price: UInt64 = 1_000
    ) {
        precondition((0...Self.most).contains(count), "as many nonces as there are numbers")
        (self.nodes, self.key, self.count, self.price) = (nodes, key, count, price)
    }

    /// The text that a nonce's address is made of, with the payer's.
    static func seed(_ number: Int) -> String { "exchequer nonce \(number)" }

    /// Where a payer's nonce of this number is.
    public static func address(_ number: Int, of payer: SolanaAddress) -> SolanaAddress {
        .seeded(seed(number), base: payer, owner: .system)
    }

    /// Looks at the nonces and sends what comes next.
    ///
    /// - Parameter inUse: nonces of payments on their way, which are left alone. None of those
    ///   beyond the count may be taken up any more.
    public func look(inUse: [SolanaAddress]) async throws -> Round {
        let payer = key.address
        let all = (0..<Self.most).map { Self.address($0, of: payer) }
        let held = try await nodes.agreed { node throws(ChainError) in
            try await node.accounts(all, .finalized).map { Self.held($0, by: payer) }
        }
        func isOurs(_ number: Int) -> Bool {
            if case .ours = held[number] { true } else { false }
        }
        let missing = (0..<count).filter { held[$0] == .none }
        let surplus = (count..<Self.most).filter(isOurs)
        let usable = (0..<count).filter(isOurs).map { all[$0] }
        let isSettled = missing.isEmpty && surplus.isEmpty
        if let sent {
            let height = try await nodes.finalHeight()
            guard sent.accounts != held || height > sent.lastValidHeight else {
                return Round(usable: usable, isSettled: false, sent: nil)
            }
            self.sent = nil
        }
        var steps: [SolanaInstruction] = []
        if !missing.isEmpty {
            let rent = try await nodes.agreed { node throws(ChainError) in
                try await node.rent(of: Self.accountBytes)
            }
            for number in missing.prefix(Self.perTransaction) {
                steps += Self.making(number, payer: payer, rent: rent)
            }
        } else {
            let free = surplus.filter { !inUse.contains(all[$0]) }
            for number in free.prefix(Self.perTransaction) {
                guard case .ours(let lamports) = held[number] else { continue }
                steps.append(
                    .withdrawNonce(all[number], lamports: lamports, authority: payer, to: payer))
            }
        }
        let made = steps.isEmpty ? nil : try await send(steps, held)
        return Round(usable: usable, isSettled: isSettled, sent: made)
    }

    private static func held(_ account: SolanaAccount?, by payer: SolanaAddress) -> Held {
        // Anybody may send lamports to an address of which there is nothing yet.
        guard let account, !account.data.isEmpty else { return .none }
        guard let nonce = account.durableNonce, nonce.authority == payer else { return .foreign }
        return .ours(account.lamports)
    }

    /// Not `createAccountWithSeed`: it fails for ever once a stranger has sent a lamport there.
    private static func making(
        _ number: Int, payer: SolanaAddress, rent: UInt64
    ) -> [SolanaInstruction] {
        let account = address(number, of: payer)
        return [
            .transferLamports(rent, from: payer, to: account),
            .allocateSeeded(
                account, base: payer, seed: seed(number), bytes: UInt64(accountBytes),
                owner: .system),
            .initialiseNonce(account, authority: payer),
        ]
    }

    private func send(
        _ steps: [SolanaInstruction], _ held: [Held]
    ) async throws -> Signature? {
        guard
            let made = try await nodes.send(
                [.computeLimit(Self.units), .computePrice(price)] + steps, by: key)
        else { return nil }
        sent = (held, made.lastValidHeight)
        return made.id
    }
}

extension SolanaAccount {
    /// A durable nonce's authority and value, if it is one: after two words of version and state
    /// (solana-nonce, `Versions` and `Data`).
    public var durableNonce: (authority: SolanaAddress, value: Digest)? {
        guard owner == .system, data.count >= NonceKeeper.accountBytes, data[4] == 1,
            let authority = Digest(Array(data[8..<40])), let value = Digest(Array(data[40..<72]))
        else { return nil }
        return (SolanaAddress(authority), value)
    }
}

extension SolanaMessage {
    /// The durable nonce that it uses up, with the value: its first instruction advances it.
    public var durableNonce: (account: SolanaAddress, value: Digest)? {
        guard let first = SolanaMessageReading(bytes)?.instructions.first,
            first.program == .system, first.data == [4, 0, 0, 0], let account = first.account(0)
        else { return nil }
        // Behind a version and three counts come a count and the accounts, at most 64.
        let start = 5 + 32 * Int(bytes[4])
        return Digest(Array(bytes[start..<start + 32])).map { (account, $0) }
    }
}

extension SolanaChain {
    /// The lamports with which an account of so many bytes lasts.
    public func rent(of bytes: Int) async throws(ChainError) -> UInt64 {
        try await ask("getMinimumBalanceForRentExemption", [.integer(Int64(bytes))])
    }
}
