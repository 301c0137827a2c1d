import Primitives

/// The driver's side towards the nodes: each is asked at the same time as the others, and what one
/// says is kept apart until the quorum merges it.
extension EVMManagerDriver {
    // MARK: Sending

    /// Gives a transaction to every node; their answers as one, and the words of a refusal.
    func broadcast(_ raw: [UInt8], named hash: Digest) async -> (BroadcastAnswer, String) {
        let answers = await withTaskGroup(of: (BroadcastAnswer, String).self) { group in
            for node in nodes {
                group.addTask { await Self.broadcast(raw, named: hash, to: node) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let merged = BroadcastAnswer.merge(answers.map(\.0), needed: quorum.needed)
        return (merged, answers.first { $0.0 == merged }?.1 ?? "")
    }

    private static func broadcast(
        _ raw: [UInt8], named hash: Digest, to node: EVMChain
    ) async -> (BroadcastAnswer, String) {
        do {
            let said: HexDigest = try await node.rpc.call("eth_sendRawTransaction", [.data(raw)])
            return (said.value == hash ? .accepted : .unknown, "")
        } catch {
            guard case .server(_, let message, _) = error else { return (.unknown, "") }
            return (BroadcastAnswer(errorMessage: message), message)
        }
    }

    /// The gas an intent's transaction would use: what the middle node says, or the contract's
    /// refusal if enough nodes report one, in its words if enough of them report those. `nil` if
    /// too few answer.
    func estimate(_ intent: EVMIntent) async -> EVMManagerInput? {
        let draft = EVMTransaction(
            chainID: nodes[0].chainID, nonce: 0, maxPriorityFeePerGas: 0, maxFeePerGas: 0,
            gasLimit: 0, to: intent.to, value: intent.value, data: intent.data)
        let answers = await withTaskGroup(of: Result<UInt64, ChainError>.self) { group in
            for node in nodes {
                group.addTask {
                    do throws(ChainError) {
                        return .success(try await node.estimateGas(draft, from: intent.from))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        var gas: [UInt64] = []
        var texts: [String] = []
        for answer in answers {
            switch answer {
            case .success(let value): gas.append(value)
            case .failure(.reverted(let text)): texts.append(text)
            case .failure: break
            }
        }
        if texts.count >= quorum.needed {
            return .estimateReverted(intent.id, quorum.agreed(texts) ?? "")
        }
        guard gas.count >= quorum.needed else { return nil }
        return .estimated(intent.id, gas: gas.sorted()[gas.count / 2])
    }

    // MARK: Asking

    /// One answer, in a list. Everything is asked of one node, so that a receipt can be compared
    /// with that node's own block.
    static func ask(
        _ question: EVMQuestion, of node: EVMChain, usesTag: Bool
    ) async throws(ChainError) -> [EVMEndpointAnswer] {
        try await node.verifyChain()
        let head = try await node.head()
        var blocks = BlockShelf(node: node)
        var accounts: [EVMAccountAnswer] = []
        for lane in question.lanes {
            accounts.append(
                contentsOf: try await account(lane, question, of: node, head: head.number))
        }
        var receipts: [EVMReceiptAnswer] = []
        for hash in question.transactions {
            receipts.append(contentsOf: await receipt(of: hash, &blocks))
        }
        let tip = try await node.tip()
        return [
            EVMEndpointAnswer(
                head: head.number, finalized: usesTag ? await node.finalizedHeight() : nil,
                finalHash: try await blocks.hash(at: question.finalHeight),
                anchorHash: try await blocks.hash(at: question.anchorHeight),
                market: EVMFeeMarket(baseFee: head.baseFeePerGas, tip: tip), accounts: accounts,
                receipts: receipts)
        ]
    }

    private static func account(
        _ lane: EVMAddress, _ question: EVMQuestion, of node: EVMChain, head: UInt64
    ) async throws(ChainError) -> [EVMAccountAnswer] {
        let count = try await node.transactionCount(of: lane)
        let pending = try await node.transactionCount(of: lane, pending: true)
        var finalCount: UInt64?
        if let height = question.finalHeight, height <= head {
            // A node may have forgotten the state of that height.
            finalCount = try? await node.transactionCount(of: lane, at: height)
        }
        return [
            EVMAccountAnswer(
                count: count, pendingCount: pending, finalCount: finalCount,
                balance: try await node.balance(of: lane))
        ]
    }

    private static func receipt(
        of hash: Digest, _ blocks: inout BlockShelf
    ) async -> [EVMReceiptAnswer] {
        do {
            let form: ReceiptForm? = try await blocks.node.rpc.callOptional(
                "eth_getTransactionReceipt", [.data(hash.bytes)])
            guard let form else { return [.absent] }
            let inclusion = form.inclusion
            let block = try await blocks.block(at: inclusion.blockNumber)
            let index = Int(exactly: inclusion.index)
            let transaction = index.flatMap { index in
                block.flatMap { index < $0.transactions.count ? $0.transactions[index] : nil }
            }
            return [
                .present(
                    EVMReceiptClaim(
                        inclusion: inclusion, blockHash: block?.hash, transaction: transaction))
            ]
        } catch {
            return [.unknown]
        }
    }
}

/// The blocks of one node, each fetched once.
private struct BlockShelf {
    let node: EVMChain
    private var blocks: [UInt64: EVMBlock] = [:]

    init(node: EVMChain) {
        self.node = node
    }

    mutating func block(at height: UInt64) async throws(ChainError) -> EVMBlock? {
        if let block = blocks[height] { return block }
        guard let block = try await node.block(height) else { return nil }
        blocks[height] = block
        return block
    }

    mutating func hash(at height: UInt64?) async throws(ChainError) -> Digest? {
        guard let height else { return nil }
        return try await block(at: height)?.hash
    }
}

/// What of a receipt says where its transaction stands.
private struct ReceiptForm: Decodable, Sendable {
    let inclusion: EVMInclusion

    private enum Keys: CodingKey {
        case transactionHash, transactionIndex, blockNumber, blockHash, status, gasUsed
        case effectiveGasPrice
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Keys.self)
        let price = try fields.decodeIfPresent(Quantity<UInt128>.self, forKey: .effectiveGasPrice)
        let status = try fields.decode(Quantity<UInt64>.self, forKey: .status).value
        guard status <= 1 else {
            throw DecodingError.dataCorruptedError(
                forKey: .status, in: fields, debugDescription: "a status is 0 or 1")
        }
        let gasUsed = try fields.decode(Quantity<UInt64>.self, forKey: .gasUsed).value
        inclusion = EVMInclusion(
            transaction: try fields.decode(HexDigest.self, forKey: .transactionHash).value,
            blockNumber: try fields.decode(Quantity<UInt64>.self, forKey: .blockNumber).value,
            blockHash: try fields.decode(HexDigest.self, forKey: .blockHash).value,
            index: try fields.decode(Quantity<UInt64>.self, forKey: .transactionIndex).value,
            succeeded: status == 1,
            gasUsed: gasUsed, gasPrice: price?.value ?? 0,
            // One that cannot be read is none: it says nothing about the rest of the receipt.
            rollupFee: (try? RollupFees(from: decoder))?.wei(gasUsed: gasUsed) ?? 0)
    }
}
