public import Primitives

/// How far a contract's events were read: the next block, and the hash of the one before it.
/// Store it together with what the events did.
public struct LogCursor: Hashable, Sendable {
    /// The first block that was not read yet.
    public let nextBlock: UInt64
    /// The hash of the block below; `nil` while nothing was read.
    public let previousHash: Digest?

    /// A cursor at a block; without a hash the chain below is not checked.
    public init(nextBlock: UInt64, previousHash: Digest? = nil) {
        self.nextBlock = nextBlock
        self.previousHash = previousHash
    }
}

extension LogCursor: CanonicalCodable {
    /// The block, then the hash if there is one.
    public func encode(into writer: inout ByteWriter) {
        writer.write(nextBlock)
        writer.write(previousHash != nil)
        if let previousHash { writer.write(previousHash) }
    }

    /// Reads a cursor.
    public init(from reader: inout ByteReader) throws(CodecError) {
        let next = try reader.readUInt64()
        self.init(
            nextBlock: next, previousHash: try reader.readBool() ? try reader.readDigest() : nil)
    }
}

/// What one look at the chain brought.
public struct LogPage: Hashable, Sendable {
    /// The events in the order of the chain; none twice, none left out.
    public let records: [ChainRecord]
    /// Where to go on.
    public let cursor: LogCursor
    /// Whether there is more to read now.
    public let hasMore: Bool
}

/// Reads the settlement contract's events, only from blocks that are deep enough. Holds no state:
/// the caller's cursor does, so a crash between two looks repeats or loses nothing.
///
/// With several nodes a page counts when enough of them tell the same one, up to the last block
/// that enough of them have deep enough; so does a reorganisation.
///
/// The last blocks of a page are read one by one and by hash: behind one endpoint there may be
/// several machines, and one that lags would answer a range whose end it lacks with less, without
/// a word. Older ones, which every machine has, are read as ranges.
///
/// A reorganisation that ends above the required depth is never seen. A deeper one throws
/// `deepReorg`: what was booked may be gone, and a person has to decide.
public struct LogWatcher: Sendable {
    private let nodes: EVMNodes
    private let artifact: ContractArtifact
    private let filter: LogFilter
    private let blocksPerPage: UInt64
    private let blocksByHash: UInt64
    private let usesFinalizedTag: Bool

    /// A watcher of the contract at an address, with its artefact. With `usesFinalizedTag` the
    /// block that the nodes call final decides what is deep enough, not the confirmations. The last
    /// `blocksByHash` blocks that are deep enough are read by hash.
    public init(
        nodes: EVMNodes, contract: EVMAddress, artifact: ContractArtifact,
        blocksPerPage: UInt64 = 2_000, blocksByHash: UInt64 = 16, usesFinalizedTag: Bool = false
    ) throws(ABIError) {
        precondition(blocksPerPage > 0, "a page has at least one block")
        self.nodes = nodes
        self.artifact = artifact
        self.blocksPerPage = blocksPerPage
        self.blocksByHash = blocksByHash
        self.usesFinalizedTag = usesFinalizedTag
        var topics: [Digest] = []
        for name in ChainEvent.names {
            do throws(ABIError) {
                topics.append(try artifact.event(name).topic)
            } catch {
                guard ChainEvent.laterNames.contains(name) else { throw error }
            }
        }
        filter = LogFilter(contract: contract, topics: [topics])
    }

    /// Reads the next page. The same cursor always brings the same events.
    ///
    /// The page's last block is looked at before and after everything else: its hash vouches for
    /// all blocks below, so a chain that changes in between is noticed.
    ///
    /// - Parameter others: what is wanted beside the settlement contract's events, such as the logs
    ///   of channels (`ChannelEvent.filters`). It is asked for once it is settled which blocks are
    ///   read: who writes a channel down before it pays into it misses nothing of it.
    public func read(
        from cursor: LogCursor,
        others: @Sendable () async throws(ChainError) -> [LogFilter] = { () throws(ChainError) in
            []
        }
    ) async throws(ChainError) -> LogPage {
        let final = try await finalHeight()
        let filters = [filter] + (try await others())
        return try await nodes.agreed { node throws(ChainError) in
            try await page(of: node, from: cursor, final: final, filters)
        }
    }

    /// The height up to which blocks count, as enough nodes have reached it.
    private func finalHeight() async throws(ChainError) -> UInt64? {
        let usesTag = usesFinalizedTag
        let answers = await nodes.answers { node throws(ChainError) in
            usesTag ? await node.finalizedHeight() : try await node.head().number
        }
        guard let height = nodes.quorum.reached(answers.compactMap { (try? $0.get()) ?? nil })
        else {
            for case .failure(let error) in answers { throw error }
            return nil
        }
        return usesTag ? height : nodes.all[0].finalHeight(head: height)
    }

    private func page(
        of chain: EVMChain, from cursor: LogCursor, final: UInt64?, _ filters: [LogFilter]
    ) async throws(ChainError) -> LogPage {
        guard let final, final >= cursor.nextBlock else {
            try await checkBelow(cursor, chain)
            return LogPage(records: [], cursor: cursor, hasMore: false)
        }
        let last = min(final, cursor.nextBlock + (blocksPerPage - 1))
        guard let end = try await chain.block(last) else {
            throw .inconsistentNode("block \(last) is gone")
        }
        try await checkBelow(cursor, chain)
        let young = final >= blocksByHash ? final - blocksByHash + 1 : 0
        var logs: [EVMLog] = []
        if young > cursor.nextBlock {
            for filter in filters {
                logs += try await chain.logs(
                    filter, from: cursor.nextBlock, to: min(last, young - 1))
            }
            if filters.count > 1 { logs.sort { $0.place < $1.place } }
        }
        logs += try await youngLogs(
            from: max(young, cursor.nextBlock), to: end, chain, filters)
        let records = try await check(
            logs, filters, first: cursor.nextBlock, last: last, chain)
        guard let again = try await chain.block(last) else {
            throw .inconsistentNode("block \(last) is not there any more: the node is behind")
        }
        guard again.hash == end.hash else { throw .deepReorg(block: last) }
        return LogPage(
            records: records, cursor: LogCursor(nextBlock: last + 1, previousHash: end.hash),
            hasMore: last < final)
    }

    /// The logs of the blocks up to `end`, each by its hash, which the block above vouches for.
    private func youngLogs(
        from first: UInt64, to end: EVMBlock, _ chain: EVMChain, _ filters: [LogFilter]
    ) async throws(ChainError) -> [EVMLog] {
        guard first <= end.number else { return [] }
        var block = end
        var parts: [[EVMLog]] = []
        while true {
            var found: [EVMLog] = []
            for filter in filters { found += try await chain.logs(filter, in: block.hash) }
            if filters.count > 1 { found.sort { $0.place < $1.place } }
            parts.append(found)
            if block.number == first { return Array(parts.reversed().joined()) }
            guard let below = try await chain.block(block.number - 1) else {
                throw .inconsistentNode("block \(block.number - 1) is gone")
            }
            guard below.hash == block.parentHash else {
                throw .inconsistentNode("block \(block.number) does not follow the one below")
            }
            block = below
        }
    }

    /// Throws `deepReorg` if the block below the cursor is no longer the one that was read.
    private func checkBelow(
        _ cursor: LogCursor, _ chain: EVMChain
    ) async throws(ChainError) {
        guard let known = cursor.previousHash, cursor.nextBlock > 0 else { return }
        let block = cursor.nextBlock - 1
        guard let there = try await chain.block(block) else {
            throw .inconsistentNode("block \(block) is not there yet: the node is behind")
        }
        guard there.hash == known else { throw .deepReorg(block: block) }
    }

    /// Refuses logs that were not asked for, are out of order, or stand in blocks that are not in
    /// the chain.
    private func check(
        _ logs: [EVMLog], _ filters: [LogFilter], first: UInt64, last: UInt64,
        _ chain: EVMChain
    ) async throws(ChainError) -> [ChainRecord] {
        var records: [ChainRecord] = []
        var block: EVMBlock?
        for log in logs {
            guard filters.contains(where: { $0.takes(log) }), !log.isRemoved,
                first <= log.blockNumber,
                log.blockNumber <= last
            else { throw .inconsistentNode("a log that was not asked for") }
            if block?.number != log.blockNumber { block = try await chain.block(log.blockNumber) }
            guard block?.hash == log.blockHash else {
                throw .inconsistentNode("a log of a block that is not in the chain")
            }
            guard block?.transactions.contains(log.transaction) == true else {
                throw .inconsistentNode("a log of a transaction that is not in its block")
            }
            let reference = ChainReference(
                chainID: chain.chainID, blockNumber: log.blockNumber, blockHash: log.blockHash,
                transaction: log.transaction, logIndex: log.logIndex)
            if let before = records.last?.reference, before >= reference {
                throw .inconsistentNode("logs are out of order")
            }
            records.append(ChainRecord(reference: reference, event: try event(log)))
        }
        return records
    }

    private func event(_ log: EVMLog) throws(ChainError) -> ChainEvent {
        do throws(ABIError) {
            if log.address != filter.contract {
                guard let event = try ChannelEvent(log) else {
                    throw .unknownName("a watched event")
                }
                return .channel(log.topics[1], event)
            }
            guard let (name, values) = try artifact.decode(log),
                let event = try ChainEvent(name: name, values: values)
            else { throw .unknownName("a watched event") }
            return event
        } catch {
            throw .abi(error)
        }
    }
}

extension EVMLog {
    /// Where it stands in its chain.
    fileprivate var place: (UInt64, UInt64) { (blockNumber, logIndex) }
}
