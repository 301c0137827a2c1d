public import Primitives

/// The house's contract on chain (`contracts-abi/evm/Exchequer.vy`): deposits, bonds, roots and
/// claims. Amounts are in the token's chain units.
///
/// Methods that take more than the registers hold and a `UInt128` among it are inlined into their
/// callers: called the usual way, an `async` function with a 128-bit number and an odd count of
/// words on the stack returns to a wrong address (LLVM on x86-64, Swift 6.3).
public struct SettlementContract: Sendable {
    /// The contract itself.
    public let contract: Contract

    /// Where it is.
    public var address: EVMAddress { contract.address }

    /// The settlement contract at an address.
    public init(chain: EVMChain, address: EVMAddress, artifact: ContractArtifact) {
        contract = Contract(chain: chain, address: address, artifact: artifact)
    }

    @usableFromInline
    init(_ contract: Contract) { self.contract = contract }

    /// Deploys it, and before it the blueprint of the vault that it makes for itself; the sender
    /// becomes owner with every role.
    @inlinable @inline(__always)
    public static func deploy(
        _ artifact: ContractArtifact, vault: ContractArtifact, usd: EVMAddress, tly: EVMAddress,
        delays: SettlementDelays, from sender: EVMSender
    ) async throws(TransactionError) -> SettlementContract {
        let blueprint = try await Contract.deploy(vault, [], from: sender)
        let arguments: [ABIValue] = [
            .address(usd), .address(tly), .address(blueprint.address),
            .uint(UInt128(delays.unbonding)), .uint(UInt128(delays.activation)),
            .uint(UInt128(delays.veto)), .uint(UInt128(delays.roles)),
            .uint(UInt128(delays.escape)),
        ]
        return SettlementContract(
            try await Contract.deploy(artifact, arguments, from: sender))
    }

    /// Pays into the house for the sender. Needs an allowance.
    public func deposit(_ amount: UInt128, from sender: EVMSender) async -> TransactionOutcome {
        await contract.send("deposit", [.uint(amount)], from: sender)
    }

    /// Adds to the sender's bond. Needs an allowance.
    public func bond(_ amount: UInt128, from sender: EVMSender) async -> TransactionOutcome {
        await contract.send("bond", [.uint(amount)], from: sender)
    }

    /// Starts the delay for a part of the sender's bond.
    public func requestUnbond(
        _ amount: UInt128, from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send("requestUnbond", [.uint(amount)], from: sender)
    }

    /// Takes back what is due of the sender's bond.
    public func withdrawBond(from sender: EVMSender) async -> TransactionOutcome {
        await contract.send("withdrawBond", [], from: sender)
    }

    /// Pays an account what the current root owes it. Anyone may send it.
    @inlinable @inline(__always)
    public func claim(
        token: EVMAddress, account: EVMAddress, cumulative: UInt128, proof: [Digest],
        from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send(
            "claim",
            [
                .address(token), .address(account), .uint(cumulative),
                .array(proof.map { .bytes32($0) }),
            ], from: sender)
    }

    /// What an account was ever paid in a token.
    @inlinable @inline(__always)
    public func claimed(
        token: EVMAddress, account: EVMAddress
    ) async throws(ChainError) -> UInt128 {
        try await number("claimed", [.address(token), .address(account)])
    }

    /// A provider's bond, without what it asked back.
    public func bonded(_ provider: EVMAddress) async throws(ChainError) -> UInt128 {
        try await number("bonded", [.address(provider)])
    }

    /// A provider's bond with what it asked back and has not taken: what a slash can reach.
    public func slashable(_ provider: EVMAddress) async throws(ChainError) -> UInt128 {
        try await number("slashable", [.address(provider)])
    }

    /// The number of the last batch, 0 for none.
    public func batch() async throws(ChainError) -> UInt64 {
        try await contract.readOne("batch") { value throws(ABIError) in
            try value.uint64("batch")
        }
    }

    /// The root that pays now.
    public func root() async throws(ChainError) -> Digest {
        try await contract.readOne("root") { value throws(ABIError) in
            try value.digest("root")
        }
    }

    /// The head hash of the house's journal at the last batch.
    public func journalHead() async throws(ChainError) -> Digest {
        try await contract.readOne("journalHead") { value throws(ABIError) in
            try value.digest("journalHead")
        }
    }

    /// The root of everything the house owed at the last batch.
    public func liabilitiesRoot() async throws(ChainError) -> Digest {
        try await contract.readOne("liabilitiesRoot") { value throws(ABIError) in
            try value.digest("liabilitiesRoot")
        }
    }

    /// The sum of all leaves of the last batch in a token.
    public func committedTotal(token: EVMAddress) async throws(ChainError) -> UInt128 {
        try await number("committedTotal", [.address(token)])
    }

    /// Whether a verdict was executed.
    public func isVerdictUsed(_ verdict: Digest) async throws(ChainError) -> Bool {
        try await contract.readOne("verdictUsed", [.bytes32(verdict)]) { value throws(ABIError) in
            try value.flag("verdictUsed")
        }
    }

    /// A watcher of this contract's events, through the node it is seen through.
    public func watcher() throws(ABIError) -> LogWatcher {
        try LogWatcher(
            nodes: EVMNodes(contract.chain), contract: address, artifact: contract.artifact)
    }

    @usableFromInline
    func number(
        _ function: String, _ arguments: [ABIValue]
    ) async throws(ChainError) -> UInt128 {
        try await contract.readOne(function, arguments) { value throws(ABIError) in
            try value.uint128(function)
        }
    }
}

/// An ERC-20 token (`contracts-abi/evm/Token.vy` or any other). Amounts are in chain units.
/// What is inlined is so for the reason told at `SettlementContract`.
public struct TokenContract: Sendable {
    /// The contract itself.
    public let contract: Contract

    /// Where it is.
    public var address: EVMAddress { contract.address }

    /// The token at an address.
    public init(chain: EVMChain, address: EVMAddress, artifact: ContractArtifact) {
        contract = Contract(chain: chain, address: address, artifact: artifact)
    }

    @usableFromInline
    init(_ contract: Contract) { self.contract = contract }

    /// Deploys a test token; the sender holds the whole supply.
    @inlinable @inline(__always)
    public static func deploy(
        _ artifact: ContractArtifact, name: String, symbol: String, version: String,
        decimals: UInt8, supply: UInt128, from sender: EVMSender
    ) async throws(TransactionError) -> TokenContract {
        let arguments: [ABIValue] = [
            .string(name), .string(symbol), .string(version), .uint(UInt128(decimals)),
            .uint(supply),
        ]
        return TokenContract(try await Contract.deploy(artifact, arguments, from: sender))
    }

    /// Sends tokens.
    @inlinable @inline(__always)
    public func transfer(
        _ amount: UInt128, to receiver: EVMAddress, from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send("transfer", [.address(receiver), .uint(amount)], from: sender)
    }

    /// Lets `spender` take up to `amount` of the sender's tokens.
    @inlinable @inline(__always)
    public func approve(
        _ amount: UInt128, for spender: EVMAddress, from sender: EVMSender
    ) async -> TransactionOutcome {
        await contract.send("approve", [.address(spender), .uint(amount)], from: sender)
    }

    /// What an account holds.
    public func balance(of account: EVMAddress) async throws(ChainError) -> UInt128 {
        try await contract.readOne("balanceOf", [.address(account)]) { value throws(ABIError) in
            try value.uint128("balanceOf")
        }
    }
}
