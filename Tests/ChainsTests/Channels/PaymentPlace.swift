import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// A cluster with the program, and payers with tokens.
struct PaymentPlace {
    let node: SVMNode
    let program: SolanaAddress
    let treasury: SolanaAddress
    let payers: [Ed25519.PrivateKey]
    let payee: Ed25519.PrivateKey
    let slot: UInt64

    static let time: Int64 = 1_800_000_000

    init(payers count: Int, token: SolanaAddress = .token) async throws {
        node = try await SVMNode(program: token)
        program = try SVMNode.owner("channels")
        let elf = try Data(
            contentsOf: Project.root.appendingPathComponent(
                "Tests/Harness/channels/payment_channels.so"))
        let _: Bool = try await node.rpc.call(
            "test_addProgram",
            [.string(program.description), .string(elf.base64EncodedString())])
        let _: Bool = try await node.rpc.call("test_setTime", [.integer(Self.time)])
        let owner: [UInt8] = (0..<16).flatMap { _ in [0xBE, 0xEF] }
        treasury = SolanaAddress(try #require(Digest(owner)))
        payers = try (0..<count).map { try SVMNode.key("payer \($0)") }
        payee = try SVMNode.key("payee")
        for payer in payers { try await node.give(10_000, to: SolanaAddress(payer.publicKey)) }
        try await node.give(0, to: SolanaAddress(payee.publicKey))
        try await node.give(0, to: treasury)
        slot = try await node.rpc.call("getSlot", [.object(["commitment": "processed"])])
    }

    func channel(
        _ number: Int, splits: [PaymentChannel.Split] = [], grace: UInt32 = 900
    ) throws -> PaymentChannel {
        try PaymentChannel(
            PaymentChannel.Terms(
                payer: SolanaAddress(payers[number].publicKey),
                payee: SolanaAddress(payee.publicKey), mint: node.mint, salt: UInt64(number),
                openSlot: slot, gracePeriod: grace, splits: splits, rentPayer: node.address),
            program: program, token: node.program)
    }

    func state(_ channel: PaymentChannel) async throws -> PaymentChannelState? {
        try await node.chain.accounts([channel.address], .processed)[0].flatMap {
            PaymentChannelState($0, of: channel)
        }
    }

    /// Runs instructions, signed by whoever of the parties they need.
    func run(_ instructions: [SolanaInstruction], _ signers: [Ed25519.PrivateKey] = [])
        async throws
    {
        try await node.run(instructions, signers: signers)
        // The next one gets another blockhash, and so another name.
        try await node.tick()
    }

    /// The program's number for what it refuses; `nil` if it does not.
    func refusal(
        _ instructions: [SolanaInstruction], _ signers: [Ed25519.PrivateKey] = []
    ) async throws -> String? {
        let hash = try await node.chain.latestBlockhash(.processed).hash
        let transaction = try SolanaTransaction(
            SolanaMessage(instructions, payer: node.address, blockhash: hash),
            signedBy: [node.payer] + signers)
        guard case .refused(let words)? = await node.chain.broadcast(transaction) else {
            return nil
        }
        return words
    }

    /// A lookup table of channels, which may be used.
    func table(of channels: [PaymentChannel]) async throws -> SolanaLookupTable {
        try await node.tick(40)
        let (table, make) = SolanaInstruction.makeLookupTable(
            at: try await node.chain.slot(.finalized), authority: node.address,
            payer: node.address)
        let held = [.instructions] + channels.map(\.address)
        try await run([
            make,
            .extendLookupTable(table, by: held, authority: node.address, payer: node.address),
        ])
        try await node.tick(2)
        return SolanaLookupTable(table, held)
    }

    func time(_ second: Int64) async throws {
        let _: Bool = try await node.rpc.call("test_setTime", [.integer(second)])
    }
}
