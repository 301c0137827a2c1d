import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// A pool of the payout program, and who pays for what is sent to it.
struct PoolOptions: ParsableArguments {
    @Option(help: "The cluster's JSON-RPC endpoint.") var rpc: String
    @Option(help: "The pool, as exchequer pool open has printed it.") var pool: String
    @Option(help: "File with the key that signs and pays fees.", completion: .file())
    var keyFile: String
    @OptionGroup var keys: KeyOptions
    @Flag(help: "Print one JSON object.") var json = false

    func open() async throws -> PoolSession {
        try await PoolSession(
            rpc: rpc, pool: pool, key: try ChannelFiles.solanaKey(keyFile, keys), json: json)
    }
}

/// A pool as the cluster tells it, and a key that sends.
struct PoolSession {
    let rpc: String
    let chain: SolanaChain
    let key: Ed25519.PrivateKey
    let json: Bool
    let state: PayoutPoolState

    var pool: PayoutPool { state.pool }
    var sender: SolanaAddress { SolanaAddress(key.publicKey) }

    init(rpc: String, pool: String, key: Ed25519.PrivateKey, json: Bool) async throws {
        self.rpc = rpc
        self.key = key
        self.json = json
        chain = SolanaChain(rpc: JSONRPC(url: rpc))
        state = try await Self.state(of: ChannelFiles.solanaAddress(pool), on: chain, rpc)
    }

    /// What the account at an address says of itself, if it is a pool: its address follows from
    /// its program, opener and mint, so no other program can pose as one.
    static func state(
        of address: SolanaAddress, on chain: SolanaChain, _ rpc: String
    ) async throws -> PayoutPoolState {
        do throws(ChainError) {
            if let account = try await chain.accounts([address])[0],
                let state = PayoutPoolState(account, program: account.owner),
                state.pool.address == address
            {
                return state
            }
        } catch {
            throw Self.fail(error, rpc)
        }
        Console.say("\(address) is no pool of the payout program")
        throw Exit.configuration
    }

    /// Says why the cluster did not answer as it should.
    static func fail(_ error: ChainError, _ rpc: String) -> ExitCode {
        Console.say("\(rpc) does not answer: \(error)")
        return Exit.network
    }

    /// Asks the cluster, or ends the command.
    func ask<Value>(
        _ question: (SolanaChain) async throws(ChainError) -> Value
    ) async throws -> Value {
        do throws(ChainError) {
            return try await question(chain)
        } catch {
            throw Self.fail(error, rpc)
        }
    }

    private struct Sent: Encodable {
        let call, transaction: String
        let slot: UInt64
    }

    /// Sends instructions as the command's last, and reports them with `--json`.
    func finish(_ instructions: [SolanaInstruction], _ what: String) async throws {
        let (name, slot) = try await send(instructions, what)
        if json { try Console.put(json: Sent(call: what, transaction: name, slot: slot)) }
    }

    /// Sends instructions and waits for a final block; a refusal ends the command with the
    /// program's number and words. Without a compute limit, whose bytes a long proof wants.
    @discardableResult
    func send(
        _ instructions: [SolanaInstruction], _ what: String
    ) async throws -> (transaction: String, slot: UInt64) {
        try await ChannelChain.send(
            instructions, what, rpc: rpc, payer: key, units: nil, explain: PayoutRefusal.explain)
    }
}

extension PayoutRefusal {
    /// A node's words, and what the program means by its number if there is one in them.
    static func explain(_ words: String) -> String {
        guard let code = number(in: words), let refusal = PayoutRefusal(rawValue: code) else {
            return words
        }
        return "refusal \(code): \(refusal.words) (\(words))"
    }

    /// The number of a custom error: `custom program error: 0x7b` when a node tries a transaction
    /// out, `code 123` when a block undid it.
    private static func number(in words: String) -> UInt32? {
        func digits(after mark: String, radix: Int) -> UInt32? {
            guard let place = words.range(of: mark) else { return nil }
            return UInt32(words[place.upperBound...].prefix(while: \.isHexDigit), radix: radix)
        }
        return digits(after: "custom program error: 0x", radix: 16)
            ?? digits(after: ": code ", radix: 10)
    }
}
