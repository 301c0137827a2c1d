import Chains
import Cryptography
import Foundation
import LoopbackServer
import Primitives

/// Nodes that say of channels whatever hurts a receiver most: deposits that are not there, claims
/// and transfers that never were, hashes and heights of no block. Each serves while it is kept.
enum LyingNode {
    static let deposit: UInt128 = 1_000_000
    private static let height: UInt64 = 9_999_999

    /// A node of an EVM chain, for which every channel is full, and everybody paid.
    static func evm() throws -> TCPServer {
        let word = JSONValue.data([UInt8](repeating: 7, count: 32))
        return try FakeNode.results { call in
            switch call.method {
            case "eth_chainId": return text(.quantity(EVMNode.chainID))
            case "eth_getBlockByNumber":
                return text(
                    .object([
                        "number": .quantity(height), "hash": word, "parentHash": word,
                        "timestamp": "0x1", "baseFeePerGas": "0x1", "transactions": .array([]),
                    ]))
            case "eth_call":
                let sums: [UInt128] =
                    isCall(call, of: "receivers(address,address)")
                    ? [deposit, deposit]
                    : isCall(call, of: "channels(bytes32)") ? [deposit, 0] : [0, 0]
                return text(.data(sums.flatMap { EIP712.word($0).bytes }))
            default: return "null"
            }
        }
    }

    private static func isCall(_ call: FakeNode.Call, of function: String) -> Bool {
        guard case .string(let data)? = call.params.first?.value["data"] else { return false }
        let selector = Keccak256.hash(Array(function.utf8)).bytes.prefix(4)
        return data.hasPrefix("0x" + Hex.encode(selector))
    }

    /// A node of a Solana cluster, for which every transaction is final and all accounts are gone
    /// but those that were `forged`.
    static func solana(_ forged: [SolanaAddress: JSONValue] = [:]) throws -> TCPServer {
        let accounts = Dictionary(
            uniqueKeysWithValues: forged.map { ("\($0.key)", $0.value) })
        let settled = JSONValue.object([
            "slot": .integer(1), "confirmationStatus": "finalized", "err": .null,
        ])
        return try FakeNode.results { call in
            let names = call.params.first?.value.list ?? []
            switch call.method {
            case "getSlot", "getBlockHeight": return "\(height)"
            case "getLatestBlockhash":
                return inContext(
                    .object([
                        "blockhash": .string("\(SolanaAddress(Digest(words: (7, 7, 7, 7))))"),
                        "lastValidBlockHeight": .integer(Int64(height)),
                    ]))
            case "isBlockhashValid": return inContext(true)
            case "getSignatureStatuses": return inContext(.array(names.map { _ in settled }))
            case "getMultipleAccounts":
                return inContext(
                    .array(
                        names.map { name in
                            guard case .string(let name) = name else { return .null }
                            return accounts[name] ?? .null
                        }))
            default: return "null"
            }
        }
    }

    private static func inContext(_ value: JSONValue) -> String {
        text(.object(["context": .object(["slot": .integer(Int64(height))]), "value": value]))
    }

    private static func text(_ value: JSONValue) -> String {
        let data = try? JSONEncoder().encode(value)
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }
}

extension JSONValue {
    fileprivate var list: [JSONValue] {
        guard case .array(let values) = self else { return [] }
        return values
    }
}
