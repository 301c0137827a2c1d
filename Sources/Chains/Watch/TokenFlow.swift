import Cryptography
public import Primitives

/// Tokens that moved from one account to another, as their contract logs it.
public struct TokenFlow: Hashable, Sendable {
    /// In what.
    public let asset: Asset
    /// How much, in chain units.
    public let units: UInt128
    /// Who had it.
    public let sender: EVMAddress
    /// Who got it.
    public let receiver: EVMAddress
    /// The block.
    public let block: UInt64
    /// The transaction.
    public let transaction: Digest

    /// A flow of these parts.
    public init(
        _ asset: Asset, units: UInt128, from sender: EVMAddress, to receiver: EVMAddress,
        block: UInt64, transaction: Digest
    ) {
        self.asset = asset
        self.units = units
        self.sender = sender
        self.receiver = receiver
        self.block = block
        self.transaction = transaction
    }
}

extension SettlementReader {
    /// What left an account and what came to it from block `first` to block `last`, which has to be
    /// deep enough, as enough nodes tell alike: of each asset what left and then what came, each in
    /// the order of the chain. Without transfers of nothing, and from the account to itself.
    public func flows(
        of account: EVMAddress, from first: UInt64, to last: UInt64
    ) async throws(ChainError) -> [TokenFlow] {
        let own = EIP712.word(account)
        // From the account, and to it.
        let ways: [[[Digest]]] = [[[own]], [[], [own]]]
        return try await nodes.agreed { node throws(ChainError) in
            try await node.steady(at: last) { () async throws(ChainError) in
                var found: [TokenFlow] = []
                for (asset, token) in [(Asset.usd, usd), (.tly, tly)] {
                    for topics in ways {
                        let logs = try await node.logs(
                            LogFilter(contract: token, topics: [[TokenTransfer.topic]] + topics),
                            from: first, to: last)
                        found += logs.compactMap { TokenFlow(asset, $0, of: account) }
                    }
                }
                return found
            }
        }
    }
}

extension TokenFlow {
    /// `nil` if the log moves nothing from or to the account.
    fileprivate init?(_ asset: Asset, _ log: EVMLog, of account: EVMAddress) {
        guard let one = TokenTransfer(log), one.units > 0,
            (one.sender == account) != (one.receiver == account)
        else { return nil }
        self.init(
            asset, units: one.units, from: one.sender, to: one.receiver, block: log.blockNumber,
            transaction: log.transaction)
    }
}

/// A token's `Transfer` as its log says it (EIP-20).
struct TokenTransfer {
    static let topic = Keccak256.hash(Array("Transfer(address,address,uint256)".utf8))

    let sender, receiver: EVMAddress
    let units: UInt128

    /// `nil` for a log of another form, or of more than 2^128 - 1 units.
    init?(_ log: EVMLog) {
        guard log.topics.count == 3, log.topics[0] == Self.topic,
            let sender = EVMAddress(log.topics[1].bytes.suffix(20)),
            let receiver = EVMAddress(log.topics[2].bytes.suffix(20)),
            let units = Digest(log.data).flatMap({ UInt256($0).exactly128 })
        else { return nil }
        (self.sender, self.receiver, self.units) = (sender, receiver, units)
    }
}

extension EVMChain {
    /// What is read of blocks up to `last`, if that is there and stays the same meanwhile.
    func steady<Value: Sendable>(
        at last: UInt64, _ read: () async throws(ChainError) -> Value
    ) async throws(ChainError) -> Value {
        guard let before = try await block(last) else {
            throw .inconsistentNode("block \(last) is not there yet: the node is behind")
        }
        let found = try await read()
        guard let after = try await block(last), after.hash == before.hash else {
            throw .inconsistentNode("block \(last) changed while it was looked at")
        }
        return found
    }
}
