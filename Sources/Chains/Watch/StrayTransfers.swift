import Cryptography
public import Primitives

/// Tokens that somebody sent straight to the contract or its vault: no call of the contract goes
/// with them, so they are credited to nobody.
public struct StrayTransfer: Hashable, Sendable {
    /// In what.
    public let asset: Asset
    /// How much, in chain units.
    public let amount: UInt128
    /// Who sent it.
    public let sender: EVMAddress
    /// Whether it went to the contract itself, not to its vault.
    public let isInContract: Bool
    /// The block.
    public let block: UInt64
    /// The transaction.
    public let transaction: Digest
}

/// The stray transfers up to some block. Dollars count wherever they were sent; of the incentive
/// token only what went to the contract, since its reserve is paid straight into the vault.
public struct StrayTransfers: Sendable {
    /// What was found, in the order of the chain.
    public private(set) var found: [StrayTransfer] = []
    /// The first block that was not looked at.
    public private(set) var nextBlock: UInt64

    private let reader: SettlementReader
    private static let blocksPerPage: UInt64 = 2_000
    private static let version: UInt8 = 1

    /// None yet, from a block on.
    public init(_ reader: SettlementReader, from block: UInt64) {
        self.reader = reader
        nextBlock = block
    }

    /// Those that were found up to now, as `canonicalBytes` put them down.
    public init(_ reader: SettlementReader, canonicalBytes bytes: [UInt8]) throws(CodecError) {
        var read = ByteReader(bytes)
        guard try read.readUInt8() == Self.version else { throw .invalidValue("version") }
        self.init(reader, from: try read.readUInt64())
        found = try read.readArray(limit: .max)
        try read.finish()
    }

    /// How far it is, and what was found: the version, the next block, the transfers.
    public func canonicalBytes() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Self.version)
        writer.write(nextBlock)
        writer.write(found)
        return writer.bytes
    }

    /// All of an asset, in chain units; of the contract itself only, if asked for.
    public func sum(_ asset: Asset, inContract: Bool = false) -> UInt128 {
        found.reduce(0) { sum, one in
            one.asset == asset && (one.isInContract || !inContract)
                ? sum.saturatingSum(one.amount) : sum
        }
    }

    /// Leaves blocks out that are known to hold none, because the balances add up.
    public mutating func pass(upTo block: UInt64) { nextBlock = max(nextBlock, block + 1) }

    /// Looks at up to `pages` pages of blocks up to `last`, which has to be deep enough. Whether
    /// all of them were looked at.
    public mutating func look(upTo last: UInt64, pages: Int) async throws(ChainError) -> Bool {
        for _ in 0..<pages {
            guard nextBlock <= last else { return true }
            let end = min(last, nextBlock + (Self.blocksPerPage - 1))
            let (reader, first) = (reader, nextBlock)
            found += try await reader.nodes.agreed { node throws(ChainError) in
                try await Self.page(of: node, reader, from: first, to: end)
            }
            nextBlock = end + 1
        }
        return nextBlock > last
    }

    private static func page(
        of node: EVMChain, _ reader: SettlementReader, from first: UInt64, to last: UInt64
    ) async throws(ChainError) -> [StrayTransfer] {
        let ours = [reader.vault, reader.contract].map { EIP712.word($0) }
        let transfer = TokenTransfer.topic
        return try await node.steady(at: last) { () async throws(ChainError) in
            let dollars = try await node.logs(
                LogFilter(contract: reader.usd, topics: [[transfer], [], ours]), from: first,
                to: last)
            let tallies = try await node.logs(
                LogFilter(contract: reader.tly, topics: [[transfer], [], [ours[1]]]), from: first,
                to: last)
            let known = try await reader.paymentsIn(from: first, to: last, node)
            return strays(dollars, .usd, reader, known) + strays(tallies, .tly, reader, [:])
        }
    }

    /// Transfers from outside less those that a deposit or bond of the same transaction explains.
    private static func strays(
        _ logs: [EVMLog], _ asset: Asset, _ reader: SettlementReader,
        _ known: [Digest: [UInt128]]
    ) -> [StrayTransfer] {
        var known = known
        var found: [StrayTransfer] = []
        for log in logs {
            guard let one = TokenTransfer(log), one.units > 0, one.sender != reader.vault,
                one.sender != reader.contract
            else { continue }
            if let place = known[log.transaction]?.firstIndex(of: one.units) {
                known[log.transaction]?.remove(at: place)
                continue
            }
            found.append(
                StrayTransfer(
                    asset: asset, amount: one.units, sender: one.sender,
                    isInContract: one.receiver == reader.contract, block: log.blockNumber,
                    transaction: log.transaction))
        }
        return found
    }
}

extension StrayTransfer: CanonicalCodable {
    /// The fields in order.
    public func encode(into writer: inout ByteWriter) {
        writer.write(asset)
        writer.write(amount)
        writer.write(sender)
        writer.write(isInContract)
        writer.write(block)
        writer.write(transaction)
    }

    /// Reads a transfer.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            asset: try reader.read(), amount: try reader.readUInt128(),
            sender: try reader.read(), isInContract: try reader.readBool(),
            block: try reader.readUInt64(), transaction: try reader.readDigest())
    }
}
