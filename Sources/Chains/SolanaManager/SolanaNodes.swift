/// Several nodes of one Solana cluster, and how many of them must say the same until it is
/// believed.
public struct SolanaNodes: Sendable {
    /// The nodes, each as it is asked.
    public let all: [SolanaChain]
    /// How many must agree.
    public let quorum: Quorum

    /// Nodes of one cluster, at least as many as must agree.
    public init(_ nodes: [SolanaChain], quorum: Quorum) {
        precondition(nodes.count >= quorum.needed, "fewer nodes than must agree")
        all = nodes
        self.quorum = quorum
    }

    /// What each node answers, in no order.
    func answers<Value: Sendable>(
        _ read: @escaping @Sendable (SolanaChain) async throws(ChainError) -> Value
    ) async -> [Result<Value, ChainError>] {
        await withTaskGroup(of: Result<Value, ChainError>.self) { group in
            for node in all {
                group.addTask {
                    do throws(ChainError) {
                        return .success(try await read(node))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// What enough nodes answer alike. Throws the first of their errors, or `inconsistentNode` if
    /// they do not agree.
    public func agreed<Value: Hashable & Sendable>(
        _ read: @escaping @Sendable (SolanaChain) async throws(ChainError) -> Value
    ) async throws(ChainError) -> Value {
        let given = await answers(read)
        if let answer = quorum.agreed(given.compactMap { try? $0.get() }) { return answer }
        for case .failure(let error) in given { throw error }
        throw .inconsistentNode("the nodes do not agree")
    }
}
