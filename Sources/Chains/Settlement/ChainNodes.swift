public import Primitives

/// Several nodes of one chain, and how many of them must say the same until it is believed.
public struct ChainNodes<Node: Sendable>: Sendable {
    /// The nodes, each as it is asked.
    public let all: [Node]
    /// How many must agree.
    public let quorum: Quorum

    /// Nodes of one chain with the same depth, at least as many as must agree.
    public init(_ nodes: [Node], quorum: Quorum) {
        precondition(nodes.count >= quorum.needed, "fewer nodes than must agree")
        all = nodes
        self.quorum = quorum
    }

    /// One node, which is believed.
    public init(_ node: Node) {
        self.init([node], quorum: Quorum(needed: 1))
    }

    /// What each node answers, in no order. Waits for all of them.
    public func answers<Value: Sendable>(
        _ read: @escaping @Sendable (Node) async throws(ChainError) -> Value
    ) async -> [Result<Value, ChainError>] {
        var given: [Result<Value, ChainError>] = []
        for await answer in stream(read) {
            given.append(answer)
            if given.count == all.count { break }
        }
        return given
    }

    /// What enough nodes answer alike; returns as soon as they have. Throws what enough of them
    /// throw alike, or the first of different errors that say nothing of the chain, or
    /// `inconsistentNode` if they do not agree.
    public func agreed<Value: Hashable & Sendable>(
        _ read: @escaping @Sendable (Node) async throws(ChainError) -> Value
    ) async throws(ChainError) -> Value {
        var given: [Result<Value, ChainError>] = []
        for await answer in stream(read) {
            given.append(answer)
            if let answer = quorum.agreed(given) { return try answer.get() }
            if given.count == all.count { break }
        }
        for case .failure(let error) in given where !error.isVerdict { throw error }
        throw .inconsistentNode("the nodes do not agree")
    }

    private func stream<Value: Sendable>(
        _ read: @escaping @Sendable (Node) async throws(ChainError) -> Value
    ) -> AsyncStream<Result<Value, ChainError>> {
        let (answers, sink) = AsyncStream.makeStream(of: Result<Value, ChainError>.self)
        for node in all {
            // A call cannot be broken off: who has enough answers does not wait for the last.
            Task {
                do throws(ChainError) {
                    sink.yield(.success(try await read(node)))
                } catch {
                    sink.yield(.failure(error))
                }
            }
        }
        return answers
    }
}

/// Nodes of an EVM chain.
public typealias EVMNodes = ChainNodes<EVMChain>
/// Nodes of a Solana cluster.
public typealias SolanaNodes = ChainNodes<SolanaChain>

extension ChainNodes<EVMChain> {
    /// The chain's id.
    public var chainID: UInt64 { all[0].chainID }

    /// The height of the newest block that enough nodes have.
    public func commonHeight() async throws(ChainError) -> UInt64 {
        let answers = await answers { node throws(ChainError) in try await node.head() }
        if let height = quorum.reached(answers.compactMap({ try? $0.get().number })) {
            return height
        }
        for case .failure(let error) in answers { throw error }
        throw .inconsistentNode("the nodes do not agree")
    }
}

extension ChainNodes<SolanaChain> {
    /// The slot that enough nodes have finalized.
    public func finalSlot() async throws(ChainError) -> UInt64 {
        let answers = await answers { node throws(ChainError) in try await node.slot(.finalized) }
        return try reached(answers)
    }

    /// The height that enough nodes have finalized.
    public func finalHeight() async throws(ChainError) -> UInt64 {
        let answers = await answers { node throws(ChainError) in
            try await node.blockHeight(.finalized)
        }
        return try reached(answers)
    }

    /// Signs instructions, with a blockhash that is final, and gives them to all nodes. Returns the
    /// transaction and the last height whose block may take it; `nil` while no node says a hash.
    /// What becomes of it, the chain says.
    public func send(
        _ instructions: [SolanaInstruction], by key: any SolanaSigner
    ) async throws -> (id: Signature, lastValidHeight: UInt64)? {
        let recent = await answers { node throws(ChainError) in
            let (hash, height) = try await node.latestBlockhash(.finalized)
            return SolanaRecentHash(hash, height: height)
        }.compactMap { try? $0.get() }.first
        guard let recent else { return nil }
        let message = try SolanaMessage(instructions, payer: key.address, blockhash: recent.hash)
        let transaction = try SolanaTransaction(message, try await key.signature(of: message))
        let bytes = transaction.bytes
        _ = await answers { node throws(ChainError) in
            await node.submit(bytes, named: transaction.id)
        }
        return (transaction.id, recent.height)
    }

    private func reached(
        _ answers: [Result<UInt64, ChainError>]
    ) throws(ChainError) -> UInt64 {
        if let found = quorum.reached(answers.compactMap({ try? $0.get() })) { return found }
        for case .failure(let error) in answers { throw error }
        throw .inconsistentNode("the nodes do not agree")
    }
}
