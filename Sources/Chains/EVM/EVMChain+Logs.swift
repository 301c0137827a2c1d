public import Primitives
import Transport

/// Which logs are wanted: of one contract, with one of these topics in each place.
public struct LogFilter: Hashable, Sendable {
    /// The contract.
    public let contract: EVMAddress
    /// For each place the topics that will do; an empty list for any.
    public let topics: [[Digest]]

    /// A filter; without topics for all logs of the contract.
    public init(contract: EVMAddress, topics: [[Digest]] = []) {
        self.contract = contract
        self.topics = topics
    }

    /// Whether a log is one of those that were asked for.
    func takes(_ log: EVMLog) -> Bool {
        guard log.address == contract, log.topics.count >= topics.count else { return false }
        return zip(topics, log.topics).allSatisfy { $0.isEmpty || $0.contains($1) }
    }

    fileprivate var fields: [String: JSONValue] {
        [
            "address": .data(contract.bytes),
            "topics": .array(
                topics.map { $0.isEmpty ? .null : .array($0.map { .data($0.bytes) }) }),
        ]
    }
}

extension EVMChain {
    /// Logs of one contract with one of `topics` first, from `first` to `last`, both included.
    public func logs(
        of contract: EVMAddress, topics: [Digest], from first: UInt64, to last: UInt64
    ) async throws(ChainError) -> [EVMLog] {
        try await logs(LogFilter(contract: contract, topics: [topics]), from: first, to: last)
    }

    /// Logs from block `first` to block `last`, both included. A range that the node says is too
    /// long, or has too many logs, is asked for in halves.
    ///
    /// Nodes answer a range whose end they do not have with what they do have: ask only for blocks
    /// that the node is known to have, or by hash.
    public func logs(
        _ filter: LogFilter, from first: UInt64, to last: UInt64
    ) async throws(ChainError) -> [EVMLog] {
        var fields = filter.fields
        fields["fromBlock"] = .quantity(first)
        fields["toBlock"] = .quantity(last)
        do throws(ChainError) {
            return try await ask("eth_getLogs", [.object(fields)])
        } catch {
            guard first < last, error.mayAskForLess else { throw error }
        }
        let middle = first + (last - first) / 2
        return try await logs(filter, from: first, to: middle)
            + logs(filter, from: middle + 1, to: last)
    }

    /// Logs of one block, by its hash (EIP-234): a node that does not have the block says so.
    public func logs(
        _ filter: LogFilter, in block: Digest
    ) async throws(ChainError) -> [EVMLog] {
        var fields = filter.fields
        fields["blockHash"] = .data(block.bytes)
        return try await ask("eth_getLogs", [.object(fields)])
    }
}

extension ChainError {
    /// Whether the node may have meant that this was too much at once: providers limit blocks and
    /// logs of a call, each with other words and codes. Asking for less does no harm.
    fileprivate var mayAskForLess: Bool {
        switch self {
        case .rpc(.server(let code, _, _)): code != -32_601
        case .rpc(.status(let status)): status == 413
        case .rpc(.transport(.responseTooLarge)): true
        default: false
        }
    }
}
