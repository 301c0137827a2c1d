public import Primitives

/// One EVM chain as seen through one node, and how far that node is believed.
///
/// A block counts once `confirmations` blocks stand in the chain from it up to the head, itself
/// included; 1 believes the head.
public struct EVMChain: Sendable {
    /// The node.
    public let rpc: JSONRPC
    /// The chain it must serve.
    public let chainID: UInt64
    /// How deep a block must be to count.
    public let confirmations: UInt64
    /// How long to wait between two looks at the head.
    public let pollInterval: Duration

    /// A chain; checks nothing yet, see `verifyChain`.
    public init(
        rpc: JSONRPC, chainID: UInt64, confirmations: UInt64,
        pollInterval: Duration = .milliseconds(500)
    ) {
        precondition(confirmations > 0, "a block is at least its own confirmation")
        self.rpc = rpc
        self.chainID = chainID
        self.confirmations = confirmations
        self.pollInterval = pollInterval
    }

    /// The id of the chain that a node serves.
    public static func chainID(at rpc: JSONRPC) async throws(ChainError) -> UInt64 {
        do {
            let id: Quantity<UInt64> = try await rpc.call("eth_chainId")
            return id.value
        } catch {
            throw ChainError(error)
        }
    }

    /// Throws `wrongChain` unless the node serves this chain. Call it once before trusting the
    /// node with anything.
    public func verifyChain() async throws(ChainError) {
        let actual = try await EVMChain.chainID(at: rpc)
        guard actual == chainID else { throw .wrongChain(expected: chainID, actual: actual) }
    }

    /// The highest block.
    public func head() async throws(ChainError) -> EVMBlock {
        try await ask("eth_getBlockByNumber", ["latest", false])
    }

    /// The block at a height; `nil` above the head.
    public func block(_ number: UInt64) async throws(ChainError) -> EVMBlock? {
        let block: EVMBlock? = try await askOptional(
            "eth_getBlockByNumber", [.quantity(number), false])
        if let block, block.number != number {
            throw .inconsistentNode("asked for block \(number), got \(block.number)")
        }
        return block
    }

    /// The height up to which blocks count, or `nil` while the chain is too short.
    public func finalHeight(head: UInt64) -> UInt64? {
        let depth = confirmations - 1
        return head >= depth ? head - depth : nil
    }

    /// How many transactions of `account` are in the chain, with `pending` also those waiting.
    public func transactionCount(
        of account: EVMAddress, pending: Bool = false
    ) async throws(ChainError) -> UInt64 {
        let count: Quantity<UInt64> = try await ask(
            "eth_getTransactionCount",
            [.data(account.bytes), .string(pending ? "pending" : "latest")])
        return count.value
    }

    /// How many transactions of `account` were in the chain at a height.
    public func transactionCount(
        of account: EVMAddress, at height: UInt64
    ) async throws(ChainError) -> UInt64 {
        let count: Quantity<UInt64> = try await ask(
            "eth_getTransactionCount", [.data(account.bytes), .quantity(height)])
        return count.value
    }

    /// The wei an account holds; `tooLarge` as an ABI error above 2^128.
    public func balance(of account: EVMAddress) async throws(ChainError) -> UInt128 {
        let balance: Quantity<UInt128> = try await ask(
            "eth_getBalance", [.data(account.bytes), "latest"])
        return balance.value
    }

    /// The code at an address; empty for an account without a contract.
    public func code(at address: EVMAddress) async throws(ChainError) -> [UInt8] {
        let code: HexData = try await ask("eth_getCode", [.data(address.bytes), "latest"])
        return code.bytes
    }

    /// What calling a contract returns, without a transaction. Throws `reverted` if it refuses.
    public func call(
        _ to: EVMAddress, _ data: [UInt8], from: EVMAddress? = nil, at height: UInt64? = nil
    ) async throws(ChainError) -> [UInt8] {
        var fields: [String: JSONValue] = ["to": .data(to.bytes), "data": .data(data)]
        if let from { fields["from"] = .data(from.bytes) }
        let place: JSONValue = height.map { .quantity($0) } ?? "latest"
        let result: HexData = try await ask("eth_call", [.object(fields), place])
        return result.bytes
    }

    /// The gas a transaction would use now, or after the block at a height; its own limit and
    /// prices do not count. Throws `reverted` if a contract refuses it.
    public func estimateGas(
        _ transaction: EVMTransaction, from sender: EVMAddress, at height: UInt64? = nil
    ) async throws(ChainError) -> UInt64 {
        var fields: [String: JSONValue] = [
            "from": .data(sender.bytes), "data": .data(transaction.data),
            "value": .quantity(transaction.value),
        ]
        if let to = transaction.to { fields["to"] = .data(to.bytes) }
        var parameters: [JSONValue] = [.object(fields)]
        if let height { parameters.append(.quantity(height)) }
        let gas: Quantity<UInt64> = try await ask("eth_estimateGas", parameters)
        return gas.value
    }

    /// The node's advice as tip, in wei per unit of gas.
    func tip() async throws(ChainError) -> UInt128 {
        let tip: Quantity<UInt128> = try await ask("eth_maxPriorityFeePerGas")
        return tip.value
    }

    /// The height of the block the node holds final; `nil` if it names none.
    func finalizedHeight() async -> UInt64? {
        let block: EVMBlock?? = try? await askOptional(
            "eth_getBlockByNumber", ["finalized", false])
        return block??.number
    }

    /// What to pay now: the node's advice as tip, and a limit of the tip plus twice the base fee,
    /// which stays enough for six full blocks in a row.
    public func fees() async throws(ChainError) -> (tip: UInt128, limit: UInt128) {
        let head = try await head()
        let tip = try await tip()
        let (double, tooLarge) = head.baseFeePerGas.multipliedReportingOverflow(by: 2)
        let (limit, overflow) = double.addingReportingOverflow(tip)
        guard !tooLarge, !overflow else { throw .feeTooHigh(.max) }
        return (tip, limit)
    }

    /// The receipt of a transaction as the node tells it, unchecked; `nil` while it is in no block.
    public func uncheckedReceipt(
        of transaction: Digest
    ) async throws(ChainError) -> EVMReceipt? {
        try await askOptional("eth_getTransactionReceipt", [.data(transaction.bytes)])
    }

    /// Whether the node knows a transaction, in a block or waiting.
    public func knows(_ transaction: Digest) async throws(ChainError) -> Bool {
        let known: TransactionName? = try await askOptional(
            "eth_getTransactionByHash", [.data(transaction.bytes)])
        guard let known else { return false }
        guard known.hash.value == transaction else {
            throw .inconsistentNode("asked for one transaction, got another")
        }
        return true
    }

    /// What a transaction that the node knows calls its receiver with.
    public func callData(of transaction: Digest) async throws(ChainError) -> [UInt8] {
        let known: TransactionCall? = try await askOptional(
            "eth_getTransactionByHash", [.data(transaction.bytes)])
        guard let known, known.hash.value == transaction else {
            throw .inconsistentNode("a transaction that has a log is not known")
        }
        return known.input.bytes
    }

    func ask<Result: Decodable & Sendable>(
        _ method: String, _ parameters: [JSONValue] = []
    ) async throws(ChainError) -> Result {
        do {
            return try await rpc.call(method, parameters)
        } catch {
            throw ChainError(error)
        }
    }

    private func askOptional<Result: Decodable & Sendable>(
        _ method: String, _ parameters: [JSONValue]
    ) async throws(ChainError) -> Result? {
        do {
            return try await rpc.callOptional(method, parameters)
        } catch {
            throw ChainError(error)
        }
    }

    /// Waits one poll interval.
    func pause() async throws(ChainError) {
        do {
            try await Task.sleep(for: pollInterval)
        } catch {
            throw .cancelled
        }
    }
}

private struct TransactionName: Decodable, Sendable {
    let hash: HexDigest
}

private struct TransactionCall: Decodable, Sendable {
    let hash: HexDigest
    let input: HexData
}

extension ChainError {
    /// A refusal by a contract is told apart from other refusals: geth's code 3, or revert data,
    /// or the words other nodes use.
    init(_ error: RPCError) {
        guard case .server(let code, let message, let data) = error,
            code == 3 || data != nil || message.contains("execution reverted")
        else {
            self = .rpc(error)
            return
        }
        self = .reverted(data.flatMap(RevertReason.text) ?? message)
    }
}

/// Reads what a contract reverted with.
enum RevertReason {
    /// The text of `Error(string)` or the code of `Panic(uint256)`; `nil` for anything else.
    static func text(_ data: [UInt8]) -> String? {
        let body = Array(data.dropFirst(4))
        switch Array(data.prefix(4)) {
        case [0x08, 0xc3, 0x79, 0xa0]:
            guard case .string(let text)? = try? ABIDecoder.decode(body, as: [.string]).first else {
                return nil
            }
            return text.cut(toBytes: 1_000)
        case [0x4e, 0x48, 0x7b, 0x71]:
            let values = try? ABIDecoder.decode(body, as: [.uint(bits: 256)])
            guard let code = try? values?.first?.uint64("panic") else { return nil }
            return "panic 0x" + String(code, radix: 16)
        default: return nil
        }
    }
}
