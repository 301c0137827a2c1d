import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// The chain of a channel, as commands ask it and send to it.
enum ChannelChain {
    /// What enough nodes say of a channel. Ends the command if they do not agree, or there is no
    /// such channel.
    static func sighting(
        of terms: ChannelTerms, _ options: NodeOptions, confirmations: UInt64
    ) async throws -> ChannelSighting {
        do throws(ChainError) {
            switch terms {
            case .batch(let channel):
                let nodes = try await options.evm(
                    chainID: channel.chainID, confirmations: confirmations)
                return ChannelSighting(try await nodes.state(of: channel), of: channel)
            case .payment(let channel):
                guard let found = try await payment(channel, options.solana) else { break }
                return ChannelSighting(found.state, of: channel, slot: found.slot)
            }
        } catch {
            Console.say("\(options.names): no word on how the channel is: \(error)")
            throw Exit.network
        }
        Console.say("there is no channel \(terms.name)")
        throw Exit.checkFailed
    }

    /// What a cluster says of a channel, and the slot this is as of; `nil` without the channel.
    static func payment(
        _ channel: PaymentChannel, _ nodes: SolanaNodes
    ) async throws(ChainError) -> (state: PaymentChannelState, slot: UInt64)? {
        guard let answer = try await nodes.states(of: [channel])[0] else {
            throw .inconsistentNode("the nodes do not agree")
        }
        return answer.state.map { ($0, answer.slot) }
    }

    /// Sends instructions and waits until they are in a final block, two minutes at most; returns
    /// the transaction's name and slot. A failure is told as `explain` puts it.
    @discardableResult
    static func send(
        _ instructions: [SolanaInstruction], _ what: String, rpc: String,
        payer: Ed25519.PrivateKey, signers: [Ed25519.PrivateKey] = [], units: UInt32? = 200_000,
        tables: [SolanaLookupTable] = [], explain: (String) -> String = { $0 }
    ) async throws -> (transaction: String, slot: UInt64) {
        let limit = units.map { [SolanaInstruction.computeLimit($0)] } ?? []
        let chain = SolanaChain(rpc: JSONRPC(url: rpc))
        let transaction: SolanaTransaction
        let height: UInt64
        do {
            let (hash, last) = try await chain.latestBlockhash()
            height = last
            transaction = try SolanaTransaction(
                SolanaMessage(
                    limit + instructions,
                    payer: SolanaAddress(payer.publicKey), blockhash: hash, tables: tables),
                signedBy: [payer] + signers)
        } catch let error as ChainError {
            Console.say("\(rpc) does not answer: \(error)")
            throw Exit.network
        } catch let error as SolanaError {
            Console.say("\(what) cannot be sent: \(error)")
            throw ExitCode.failure
        }
        if case .refused(let words)? = await chain.broadcast(transaction) {
            Console.say("\(what) was refused: \(explain(words))")
            throw ExitCode.failure
        }
        let name = Base58.encode(transaction.id.bytes)
        for _ in 0..<240 {
            switch await chain.resolve(transaction.id, lastValidHeight: height) {
            case .settled(let slot):
                Console.say("\(what): settled in slot \(slot), transaction \(name)")
                return (name, slot)
            case .undone(let words, _):
                Console.say("\(what) was undone: \(explain(words))")
                throw ExitCode.failure
            case .expired:
                Console.say("\(what): no block took it; it can be sent again")
                throw ExitCode.failure
            case .refused, .unknown:
                _ = await chain.broadcast(transaction)
                try await Task.sleep(for: .milliseconds(500))
            }
        }
        Console.say("the outcome of \(what) is unknown: look for transaction \(name)")
        throw Exit.network
    }
}
