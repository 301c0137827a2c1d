import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// The chain of a channel, as commands ask it and send to it.
enum ChannelChain {
    /// What the chain says of a channel. Ends the command if it does not say, or has no such
    /// channel.
    static func sighting(
        of terms: ChannelTerms, rpc: String, confirmations: UInt64
    ) async throws -> ChannelSighting {
        do throws(ChainError) {
            switch terms {
            case .batch(let channel):
                let chain = try await evm(rpc, channel, confirmations)
                return ChannelSighting(try await chain.state(of: channel), of: channel)
            case .payment(let channel):
                guard let found = try await payment(channel, at: rpc) else { break }
                return ChannelSighting(found.state, of: channel, slot: found.slot)
            }
        } catch {
            Console.say("\(rpc) does not say how the channel is: \(error)")
            throw Exit.network
        }
        Console.say("there is no channel \(terms.name)")
        throw Exit.checkFailed
    }

    /// The node, if it serves the channel's chain.
    static func evm(
        _ rpc: String, _ channel: BatchChannel, _ confirmations: UInt64
    ) async throws(ChainError) -> EVMChain {
        let chain = EVMChain(
            rpc: JSONRPC(url: rpc), chainID: channel.chainID,
            confirmations: max(confirmations, 1), pollInterval: .milliseconds(100))
        try await chain.verifyChain()
        return chain
    }

    /// What a cluster says of a channel, and the slot this is as of; `nil` without the channel.
    static func payment(
        _ channel: PaymentChannel, at rpc: String
    ) async throws(ChainError) -> (state: PaymentChannelState, slot: UInt64)? {
        let chain = SolanaChain(rpc: JSONRPC(url: rpc))
        let slot = try await chain.slot(.confirmed)
        guard let account = try await chain.accounts([channel.address])[0],
            let state = PaymentChannelState(account, of: channel)
        else { return nil }
        return (state, slot)
    }

    /// Sends instructions and waits until they are in a final block, two minutes at most.
    static func send(
        _ instructions: [SolanaInstruction], _ what: String, rpc: String,
        payer: Ed25519.PrivateKey, signers: [Ed25519.PrivateKey] = [], units: UInt32 = 200_000
    ) async throws {
        let chain = SolanaChain(rpc: JSONRPC(url: rpc))
        let transaction: SolanaTransaction
        let height: UInt64
        do {
            let (hash, last) = try await chain.latestBlockhash()
            height = last
            transaction = try SolanaTransaction(
                SolanaMessage(
                    [.computeLimit(units)] + instructions,
                    payer: SolanaAddress(payer.publicKey), blockhash: hash),
                signedBy: [payer] + signers)
        } catch let error as ChainError {
            Console.say("\(rpc) does not answer: \(error)")
            throw Exit.network
        }
        if case .refused(let words)? = await chain.broadcast(transaction) {
            Console.say("\(what) was refused: \(words)")
            throw ExitCode.failure
        }
        let name = Base58.encode(transaction.id.bytes)
        for _ in 0..<240 {
            switch await chain.resolve(transaction.id, lastValidHeight: height) {
            case .settled(let slot):
                Console.say("\(what): settled in slot \(slot), transaction \(name)")
                return
            case .undone(let words, _):
                Console.say("\(what) was undone: \(words)")
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
