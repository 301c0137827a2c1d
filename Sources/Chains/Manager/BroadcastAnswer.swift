/// What a node's answer to `eth_sendRawTransaction` means.
public enum BroadcastAnswer: UInt8, CaseIterable, Hashable, Sendable {
    /// The pool took it.
    case accepted = 1
    /// The pool has it, or the chain does.
    case alreadyKnown = 2
    /// The pool has another transaction with this nonce and wants more for this one.
    case replacementUnderpriced = 3
    /// The pool takes nothing so cheap.
    case underpriced = 4
    /// The chain has a transaction with this nonce, perhaps this very one.
    case nonceTooLow = 5
    /// A transaction with a lower nonce is missing there.
    case nonceTooHigh = 6
    /// The account cannot pay for it now.
    case insufficientFunds = 7
    /// The pool is full or has reached the account's share: later.
    case busy = 8
    /// It is refused for what it is, and will be again.
    case refused = 9
    /// No answer, or one that says nothing: it may be on its way.
    case unknown = 10
}

extension BroadcastAnswer {
    /// What a JSON-RPC error of a node means, by its message in any case; the first row whose words
    /// it contains. Words that no row has mean `unknown`: a refusal is only believed when it is
    /// understood, since a nonce that was given up too early could pay twice.
    public init(errorMessage: String) {
        let text = errorMessage.lowercased()
        let row = Self.dialects.first { text.contains($0.words) }
        self = row?.answer ?? .unknown
    }

    /// The words of each client, lower-case. Order matters where one row's words contain another's.
    /// Sources, as read in November 2026:
    /// - geth: core/txpool/errors.go, core/error.go, core/txpool/legacypool. The words of reth
    ///   (crates/rpc/rpc-eth-types/src/error), of nethermind from 1.36 on and of this project's
    ///   own node (Tests/Harness/evm_node.py) follow it.
    /// - erigon: txnprovider/txpool/txpoolcfg/txpoolcfg.go, `DiscardReason.String`.
    /// - nethermind: Nethermind.TxPool/AcceptTxResult.cs, whose names were the words before.
    /// - reth: crates/transaction-pool/src/error.rs, where the pool speaks directly.
    /// - besu: ethereum/api, .../internal/response/RpcErrorType.java.
    static let dialects: [(words: String, answer: BroadcastAnswer)] = [
        // Already there.
        ("already known", .alreadyKnown),  // geth, reth, erigon, evm_node
        ("existing txn with same hash", .alreadyKnown),  // erigon
        ("existing tx with same hash", .alreadyKnown),  // erigon 2
        ("alreadyknown", .alreadyKnown),  // nethermind
        ("known transaction", .alreadyKnown),  // besu, geth before 1.9
        ("already imported", .alreadyKnown),  // reth's pool, parity
        // Another with its nonce is in the pool.
        ("replacement transaction underpriced", .replacementUnderpriced),  // geth, reth, besu
        ("could not replace existing tx", .replacementUnderpriced),  // erigon
        ("replaced by transaction with higher tip", .replacementUnderpriced),  // erigon
        ("replacementnotallowed", .replacementUnderpriced),  // nethermind
        ("insufficient gas price to replace", .replacementUnderpriced),  // reth's pool
        // Too cheap for the pool.
        ("transaction underpriced", .underpriced),  // geth, reth
        ("max fee per gas less than block base fee", .underpriced),  // geth, reth
        ("below minimum required priority fee", .underpriced),  // reth
        ("below chain minimum", .underpriced),  // reth's pool
        ("fee too low", .underpriced),  // erigon
        ("feetoolow", .underpriced),  // nethermind, also FeeTooLowToCompete
        ("gas price below", .underpriced),  // besu
        ("underpriced", .underpriced),  // erigon
        // Nonces.
        ("nonce too low", .nonceTooLow),  // geth, reth, erigon, besu, evm_node
        ("oldnonce", .nonceTooLow),  // nethermind
        ("nonce too high", .nonceTooHigh),  // geth, reth, besu
        ("noncegap", .nonceTooHigh),  // nethermind
        ("noncetoofarinfuture", .nonceTooHigh),  // nethermind
        ("too distant from current sender nonce", .nonceTooHigh),  // besu
        ("transaction with a lower nonce exists", .nonceTooHigh),  // besu
        ("future transaction tries to replace pending", .nonceTooHigh),  // geth
        // Money.
        ("insufficient funds", .insufficientFunds),  // geth, reth, erigon, evm_node
        ("insufficientfunds", .insufficientFunds),  // nethermind
        ("upfront cost exceeds account balance", .insufficientFunds),  // besu
        ("overdraws from account", .insufficientFunds),  // reth's pool
        // Later.
        ("txpool is full", .busy),  // geth, reth
        ("sub-pool is full", .busy),  // erigon
        ("account limit exceeded", .busy),  // geth
        ("address already reserved", .busy),  // geth
        ("pool size constraints", .busy),  // reth's pool
        ("identified as a spammer", .busy),  // reth's pool
        ("spammer", .busy),  // erigon
        ("transaction pool not enabled", .busy),  // besu
        ("sync", .busy),  // besu, nethermind
        // Refused for good.
        ("intrinsic gas", .refused),  // geth, reth, besu, evm_node
        ("intrinsicgas", .refused),  // erigon
        ("exceeds block gas limit", .refused),  // geth, besu, evm_node
        ("gas limit is too high", .refused),  // erigon
        ("gas limit too high", .refused),  // reth
        ("gaslimitexceeded", .refused),  // nethermind
        ("exceeds block's gas limit", .refused),  // reth's pool
        ("oversized data", .refused),  // geth, erigon
        ("input data too large", .refused),  // reth's pool
        ("rlp", .refused),  // geth, erigon, evm_node
        ("invalid chain id", .refused),  // geth, reth, evm_node
        ("wrong chainid", .refused),  // besu
        ("invalid sender", .refused),  // geth, erigon
        ("invalid signature", .refused),  // besu
        ("initcode", .refused),  // geth, reth, erigon
        ("type not supported", .refused),  // geth, reth
        ("invalid transaction type", .refused),  // besu
        ("higher than max fee per gas", .refused),  // geth, reth
        ("exceeds max fee per gas", .refused),  // besu
        ("fee cap exceeded", .refused),  // besu
    ]

    /// The answers of several nodes to one transaction as one: the best news counts, because one
    /// pool that has it is enough, and `refused` only if `needed` nodes say so.
    public static func merge(_ answers: [BroadcastAnswer], needed: Int) -> BroadcastAnswer {
        let order: [BroadcastAnswer] = [
            .accepted, .alreadyKnown, .replacementUnderpriced, .underpriced, .nonceTooLow,
            .insufficientFunds, .nonceTooHigh, .busy,
        ]
        for answer in order where answers.contains(answer) { return answer }
        return answers.count { $0 == .refused } >= max(needed, 1) ? .refused : .unknown
    }
}
