import ArgumentParser
import Chains

/// The nodes that a command asks, and how many of them must say the same.
struct NodeOptions: ParsableArguments {
    @Option(
        name: [.customLong("rpc"), .customLong("rpc-url")],
        help: "A JSON-RPC endpoint of the chain; may be repeated.")
    var rpc: [String] = []
    @Option(help: "How many endpoints must say the same; more than half if left out.")
    var rpcQuorum: Int?

    func validate() throws {
        do throws(RepeatedEndpoint) {
            try RPCEndpoints.requireDistinct(rpc)
        } catch {
            throw ValidationError("--rpc: \(error).")
        }
        guard let rpcQuorum else { return }
        guard rpcQuorum <= rpc.count, rpcQuorum > rpc.count / 2 else {
            throw ValidationError("More than half of the endpoints must agree.")
        }
    }

    /// Throws unless there is a node to ask.
    func require() throws {
        if rpc.isEmpty { throw ValidationError("Say with --rpc which endpoint is asked.") }
    }

    /// The endpoints for people.
    var names: String { RPCEndpoints.shown(rpc) }

    private func nodes<Node: Sendable>(_ node: (JSONRPC) -> Node) -> ChainNodes<Node> {
        ChainNodes(
            rpc.map { node(JSONRPC(url: $0)) },
            quorum: Quorum(needed: rpcQuorum ?? rpc.count / 2 + 1))
    }

    /// Nodes of a Solana cluster.
    var solana: SolanaNodes { nodes { SolanaChain(rpc: $0) } }

    /// Nodes of an EVM chain, if they serve it.
    func evm(chainID: UInt64, confirmations: UInt64) async throws(ChainError) -> EVMNodes {
        let nodes = nodes {
            EVMChain(
                rpc: $0, chainID: chainID, confirmations: max(confirmations, 1),
                pollInterval: .milliseconds(100))
        }
        _ = try await nodes.agreed { node throws(ChainError) in
            try await node.verifyChain()
            return true
        }
        return nodes
    }

    /// Nodes of whatever EVM chain they serve.
    func evm(confirmations: UInt64) async throws(ChainError) -> EVMNodes {
        let id = try await nodes { $0 }.agreed { rpc throws(ChainError) in
            try await EVMChain.chainID(at: rpc)
        }
        return try await evm(chainID: id, confirmations: confirmations)
    }
}
