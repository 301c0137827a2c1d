import Chains
import Cryptography
import Foundation
import Primitives
import Testing
import Transport

/// A process of `Tests/Harness/svm_node.py`, with a mint of its own. It ends with this value, and
/// by itself when the tests are gone.
final class SVMNode: Sendable {
    let rpc: JSONRPC
    let chain: SolanaChain
    /// Has lamports, and may make tokens of `mint`.
    let payer: Ed25519.PrivateKey
    let mint: SolanaAddress
    /// The token program that the mint is of.
    let program: SolanaAddress
    private let process: Process

    private struct Announcement: Decodable {
        struct Account: Decodable {
            let seed: String
        }
        let listening: String
        let accounts: [Account]
    }

    /// Starts the process, and a mint with 6 decimals.
    init(program: SolanaAddress = .token) async throws {
        self.program = program
        let said: Announcement
        (process, said) = try await NodeProcess.start("svm_node.py", accounts: 1)
        rpc = JSONRPC(url: said.listening, timeout: .seconds(60), client: HTTPClient())
        chain = SolanaChain(rpc: rpc)
        payer = try #require(Ed25519.PrivateKey(seed: try hex(said.accounts[0].seed)))
        let key = try SVMNode.key("mint")
        mint = SolanaAddress(key.publicKey)
        try await makeMint(key)
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    static func key(_ label: String) throws -> Ed25519.PrivateKey {
        try #require(Ed25519.PrivateKey(seed: SHA256.hash(Array(label.utf8)).bytes))
    }

    static func owner(_ label: String) throws -> SolanaAddress {
        SolanaAddress(try key(label).publicKey)
    }

    var address: SolanaAddress { SolanaAddress(payer.publicKey) }

    func tick(_ count: Int64 = 1) async throws {
        let _: UInt64 = try await rpc.call("test_tick", [.integer(count)])
    }

    /// Signs, sends and expects that it is taken.
    @discardableResult
    func run(
        _ instructions: [SolanaInstruction], signers: [Ed25519.PrivateKey] = []
    ) async throws -> SolanaTransaction {
        let hash = try await chain.latestBlockhash(.processed).hash
        let transaction = try SolanaTransaction(
            SolanaMessage(instructions, payer: address, blockhash: hash),
            signedBy: [payer] + signers)
        #expect(await chain.broadcast(transaction) == nil)
        return transaction
    }

    /// The tokens that an owner holds; `nil` without an account.
    func balance(_ owner: SolanaAddress) async throws -> UInt64? {
        let account = SolanaAddress.tokenAccount(of: owner, mint: mint, program: program)
        guard let found = try await chain.accounts([account], .processed)[0] else { return nil }
        return found.data[64..<72].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Makes tokens for an owner, and its account.
    func give(_ amount: UInt64, to owner: SolanaAddress) async throws {
        var data = ByteWriter()
        data.write(UInt8(7))
        data.write(amount)
        let maker = SolanaInstruction(
            program: program,
            accounts: [
                .init(mint, isWritable: true),
                .init(.tokenAccount(of: owner, mint: mint, program: program), isWritable: true),
                .init(address, isSigner: true),
            ], data: data.bytes)
        try await run([
            .makeTokenAccount(of: owner, mint: mint, payer: address, program: program), maker,
        ])
    }

    /// The payout program on this cluster, and the payer's pool of the mint, which is not open yet.
    func addPool() async throws -> PayoutPool {
        let program = try SVMNode.owner("program")
        let elf = try Data(
            contentsOf: Project.root.appendingPathComponent("contracts-abi/solana/payout.so"))
        let _: Bool = try await rpc.call(
            "test_addProgram",
            [.string(program.description), .string(elf.base64EncodedString())])
        return PayoutPool(
            program: program, opener: address, mint: mint, cluster: try await chain.genesis())
    }

    /// An instruction of the token program about one of the mint's accounts: 10 freezes it.
    func about(_ owner: SolanaAddress, _ tag: UInt8) -> SolanaInstruction {
        SolanaInstruction(
            program: program,
            accounts: [
                .init(.tokenAccount(of: owner, mint: mint, program: program), isWritable: true),
                .init(mint),
                .init(address, isSigner: true),
            ], data: [tag])
    }

    private func makeMint(_ key: Ed25519.PrivateKey) async throws {
        let rent: UInt64 = try await rpc.call(
            "getMinimumBalanceForRentExemption", [.integer(82)])
        var create = ByteWriter()
        create.write(UInt32(0))
        create.write(rent)
        create.write(UInt64(82))
        create.write(program.value)
        var initialise = ByteWriter()
        initialise.write(UInt8(20))
        initialise.write(UInt8(6))
        initialise.write(address.value)
        // The freezing authority.
        initialise.write(UInt8(1))
        initialise.write(address.value)
        try await run(
            [
                SolanaInstruction(
                    program: .system,
                    accounts: [
                        .init(address, isSigner: true, isWritable: true),
                        .init(mint, isSigner: true, isWritable: true),
                    ], data: create.bytes),
                SolanaInstruction(
                    program: program, accounts: [.init(mint, isWritable: true)],
                    data: initialise.bytes),
            ], signers: [key])
    }
}
