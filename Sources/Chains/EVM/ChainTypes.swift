public import Primitives

/// Why the chain could not be asked, or must not be believed.
public enum ChainError: Error, Hashable, Sendable {
    /// A call of the node failed.
    case rpc(RPCError)
    /// Contract data could not be written or read.
    case abi(ABIError)
    /// The node serves another chain.
    case wrongChain(expected: UInt64, actual: UInt64)
    /// What the node says does not fit together: it is broken or lies. Says what.
    case inconsistentNode(String)
    /// A contract refused; its text, if it gave one.
    case reverted(String)
    /// Gas costs more than the sender allows; carries wei per unit of gas.
    case feeTooHigh(UInt128)
    /// There is no signature, so nothing was sent; says why.
    case notSigned(SigningFailure)
    /// A block that had been deep enough is no longer in the chain; carries its number.
    case deepReorg(block: UInt64)
    /// Something has to be on chain first; says what is not.
    case waits(String)
    /// Time ran out.
    case timedOut
    /// The caller's task was cancelled.
    case cancelled

    /// Whether it says something of the chain, on which somebody acts, and not of the node: then
    /// one node's word for it is none.
    var isVerdict: Bool {
        switch self {
        case .deepReorg, .reverted: true
        case .rpc, .abi, .wrongChain, .inconsistentNode, .feeTooHigh, .notSigned, .waits,
            .timedOut, .cancelled:
            false
        }
    }
}

/// A block of the chain, as far as it matters here.
public struct EVMBlock: Hashable, Sendable {
    /// Its height.
    public let number: UInt64
    /// Its hash.
    public let hash: Digest
    /// The hash of the block below.
    public let parentHash: Digest
    /// Seconds since the Unix epoch.
    public let timestamp: UInt64
    /// Wei per unit of gas that is burned.
    public let baseFeePerGas: UInt128
    /// The hashes of its transactions, in order.
    public let transactions: [Digest]
}

/// What a contract wrote into a transaction's receipt.
public struct EVMLog: Hashable, Sendable {
    /// The contract.
    public let address: EVMAddress
    /// Its topics; the first names the event.
    public let topics: [Digest]
    /// The values that are no topics.
    public let data: [UInt8]
    /// The height of its block.
    public let blockNumber: UInt64
    /// The hash of its block.
    public let blockHash: Digest
    /// Its transaction.
    public let transaction: Digest
    /// Its place among the block's logs.
    public let logIndex: UInt64
    /// Whether the node says that the block is no longer in the chain.
    public let isRemoved: Bool
}

/// What became of a transaction.
public struct EVMReceipt: Hashable, Sendable {
    /// The transaction.
    public let transaction: Digest
    /// Its place in the block.
    public let index: UInt64
    /// The height of its block.
    public let blockNumber: UInt64
    /// The hash of its block.
    public let blockHash: Digest
    /// Who sent it.
    public let from: EVMAddress
    /// Who was called; `nil` for a deployment.
    public let to: EVMAddress?
    /// The deployed contract.
    public let contractAddress: EVMAddress?
    /// Whether it was carried out; otherwise it was undone and only cost gas.
    public let succeeded: Bool
    /// Gas used.
    public let gasUsed: UInt64
    /// What contracts wrote.
    public let logs: [EVMLog]
}

/// What is known about a transaction. There is no way to read "unknown" as "failed".
public enum TransactionOutcome: Hashable, Sendable {
    /// It was carried out, and its block is deep enough.
    case settled(EVMReceipt)
    /// It was not carried out and never will be.
    case failed(TransactionFailure)
    /// It may or may not be carried out; carries its hash. Ask again with `resolve`.
    case unknown(Digest, ChainError)
}

/// Why a transaction is not carried out and never will be.
public enum TransactionFailure: Error, Hashable, Sendable {
    /// It was never sent.
    case notSent(ChainError)
    /// The node refused it and does not know it.
    case refused(code: Int, message: String)
    /// It is in the chain and was undone; carries the contract's text.
    case reverted(String, EVMReceipt)
    /// Another transaction with its nonce is in the chain, deep enough.
    case replaced
}

extension EVMBlock: Decodable {
    private enum Keys: CodingKey {
        case number, hash, parentHash, timestamp, baseFeePerGas, transactions
    }

    /// Reads the node's form, with transactions as hashes.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Keys.self)
        number = try fields.decode(Quantity<UInt64>.self, forKey: .number).value
        hash = try fields.decode(HexDigest.self, forKey: .hash).value
        parentHash = try fields.decode(HexDigest.self, forKey: .parentHash).value
        timestamp = try fields.decode(Quantity<UInt64>.self, forKey: .timestamp).value
        baseFeePerGas =
            try fields.decodeIfPresent(Quantity<UInt128>.self, forKey: .baseFeePerGas)?.value ?? 0
        transactions = try fields.decode([HexDigest].self, forKey: .transactions).map(\.value)
    }
}

extension EVMLog: Decodable {
    private enum Keys: CodingKey {
        case address, topics, data, blockNumber, blockHash, transactionHash, logIndex, removed
    }

    /// Reads the node's form.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Keys.self)
        address = try fields.decode(HexAddress.self, forKey: .address).value
        topics = try fields.decode([HexDigest].self, forKey: .topics).map(\.value)
        data = try fields.decode(HexData.self, forKey: .data).bytes
        blockNumber = try fields.decode(Quantity<UInt64>.self, forKey: .blockNumber).value
        blockHash = try fields.decode(HexDigest.self, forKey: .blockHash).value
        transaction = try fields.decode(HexDigest.self, forKey: .transactionHash).value
        logIndex = try fields.decode(Quantity<UInt64>.self, forKey: .logIndex).value
        isRemoved = try fields.decodeIfPresent(Bool.self, forKey: .removed) ?? false
    }
}

extension EVMReceipt: Decodable {
    private enum Keys: CodingKey {
        case transactionHash, transactionIndex, blockNumber, blockHash, from, to, contractAddress
        case status, gasUsed, logs
    }

    /// Reads the node's form.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Keys.self)
        transaction = try fields.decode(HexDigest.self, forKey: .transactionHash).value
        index = try fields.decode(Quantity<UInt64>.self, forKey: .transactionIndex).value
        blockNumber = try fields.decode(Quantity<UInt64>.self, forKey: .blockNumber).value
        blockHash = try fields.decode(HexDigest.self, forKey: .blockHash).value
        from = try fields.decode(HexAddress.self, forKey: .from).value
        to = try fields.decodeIfPresent(HexAddress.self, forKey: .to)?.value
        contractAddress =
            try fields.decodeIfPresent(HexAddress.self, forKey: .contractAddress)?.value
        let status = try fields.decode(Quantity<UInt64>.self, forKey: .status).value
        guard status <= 1 else {
            throw DecodingError.dataCorruptedError(
                forKey: .status, in: fields, debugDescription: "a status is 0 or 1")
        }
        succeeded = status == 1
        gasUsed = try fields.decode(Quantity<UInt64>.self, forKey: .gasUsed).value
        logs = try fields.decode([EVMLog].self, forKey: .logs)
    }
}
