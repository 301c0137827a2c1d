import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Service
import Transport

/// `exchequer channels open`: escrows a deposit.
struct ChannelsOpenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open", abstract: "Escrow a deposit in a new channel, and write its terms.",
        subcommands: [OnEVM.self, OnSolana.self])

    struct OnEVM: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "evm",
            abstract: "Open a channel of x402BatchSettlement.",
            discussion: """
                The deposit is fetched by the payer's signed authorization (EIP-3009), so the \
                token must take those, as USDC does.

                EXAMPLES
                  exchequer channels open evm --rpc URL --key-file my.key --receiver 0x.. \
                --token 0x.. --deposit 5000000 --out channel.json
                """)

        @OptionGroup var deposit: EVMDepositOptions
        @Option(help: "Who is paid.") var receiver: String
        @Option(help: "Who claims for the receiver; the receiver itself unless told otherwise.")
        var receiverAuthorizer: String?
        @Option(help: "Whose key signs vouchers; the payer's own unless told otherwise.")
        var payerAuthorizer: String?
        @Option(help: "The token.") var token: String
        @Option(help: "Seconds until the payer can take unclaimed money back: 900 to 2592000.")
        var withdrawDelay: UInt64 = 86_400
        @Option(help: "The contract.") var contract = BatchChannel.standardContract.hex
        @Option(help: "File to write the terms to.", completion: .file()) var out: String

        func run() async throws {
            let session = try await ChainSession(deposit.chain)
            guard let salt = Digest(Entropy.bytes(32)) else { return }
            let receiver = try evmAddress(receiver)
            let config = BatchChannel.Config(
                payer: session.sender.address,
                payerAuthorizer: try payerAuthorizer.map(evmAddress) ?? .zero, receiver: receiver,
                receiverAuthorizer: try receiverAuthorizer.map(evmAddress) ?? receiver,
                token: try evmAddress(token), withdrawDelay: withdrawDelay, salt: salt)
            let channel: BatchChannel
            do throws(ChannelRefusal) {
                channel = try BatchChannel(
                    config, chainID: session.chain.chainID, contract: try Self.contract(contract))
            } catch {
                throw ChannelFiles.refuse("the channel", error)
            }
            // The terms are written first: without them the deposit could not be found again.
            try ChannelFiles.write(.batch(channel), to: out)
            try await deposit.send(into: channel, session, "open")
            if deposit.chain.json {
                try Console.put(json: ChannelDocument.json(.batch(channel)))
            } else {
                Console.put("0x\(channel.id.hex)")
            }
        }

        private static func contract(_ text: String) throws(ChannelRefusal) -> EVMAddress {
            guard let address = EVMAddress(hex: text) else { throw .malformed }
            return address
        }
    }

    struct OnSolana: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "solana",
            abstract: "Open a channel of the payment-channels program.",
            discussion: """
                EXAMPLES
                  exchequer channels open solana --rpc URL --key-file my.key --payee ADDRESS \
                --mint ADDRESS --deposit 5000000 --split ADDRESS:250 --out channel.json
                """)

        @Option(help: "The cluster's JSON-RPC endpoint.") var rpc: String
        @Option(help: "File with the payer's private key.", completion: .file())
        var keyFile: String
        @OptionGroup var keys: KeyOptions
        @Option(help: "Who is paid.") var payee: String
        @Option(help: "The token's mint.") var mint: String
        @Option(help: "How much is escrowed.") var deposit: String
        @Option(help: "Whose key signs vouchers; the payer's own unless told otherwise.")
        var authorizedSigner: String?
        @Option(help: "Seconds from the payer's word that it closes until it can.")
        var grace: UInt32 = 86_400
        @Option(help: "A share for somebody else: ADDRESS:PARTS of 10,000. Up to 12 times.")
        var split: [String] = []
        @Option(help: "The program.") var program = PaymentChannel.standardProgram.description
        @Flag(help: "The mint is of Token-2022.") var token2022 = false
        @Option(help: "File to write the terms to.", completion: .file()) var out: String
        @Flag(help: "Print one JSON object.") var json = false

        func run() async throws {
            let key = try ChannelFiles.solanaKey(keyFile, keys)
            let amount = try ChannelFiles.amount64(deposit)
            let slot: UInt64
            do throws(ChainError) {
                slot = try await SolanaChain(rpc: JSONRPC(url: rpc)).slot(.confirmed)
            } catch {
                Console.say("\(rpc) does not answer: \(error)")
                throw Exit.network
            }
            let salt = Entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
            let terms = PaymentChannel.Terms(
                payer: SolanaAddress(key.publicKey), payee: try ChannelFiles.solanaAddress(payee),
                mint: try ChannelFiles.solanaAddress(mint),
                authorizedSigner: try authorizedSigner.map(ChannelFiles.solanaAddress),
                salt: salt, openSlot: slot, gracePeriod: grace, splits: try split.map(Self.split))
            let program = try ChannelFiles.solanaAddress(program)
            let channel: PaymentChannel
            do throws(ChannelRefusal) {
                channel = try PaymentChannel(
                    terms, program: program, token: token2022 ? .token2022 : .token)
            } catch {
                throw ChannelFiles.refuse("the channel", error)
            }
            try ChannelFiles.requirePayable(.payment(channel))
            try ChannelFiles.write(.payment(channel), to: out)
            try await ChannelChain.send(
                [channel.open(deposit: amount)], "open", rpc: rpc, payer: key)
            if json {
                try Console.put(json: ChannelDocument.json(.payment(channel)))
            } else {
                Console.put("\(channel.address)")
            }
        }

        private static func split(_ text: String) throws -> PaymentChannel.Split {
            let parts = text.split(separator: ":")
            guard parts.count == 2, let share = UInt16(parts[1]) else {
                throw ValidationError("\(text) is not ADDRESS:PARTS.")
            }
            return PaymentChannel.Split(
                try ChannelFiles.solanaAddress(String(parts[0])), shareBps: share)
        }
    }
}

/// What a deposit on an EVM chain needs.
struct EVMDepositOptions: ParsableArguments {
    @OptionGroup var chain: ChainOptions
    @Option(help: "How much is escrowed, in the token's smallest unit.") var deposit: String
    @Option(help: "The contract that fetches deposits.")
    var collector = BatchChannel.standardCollector.hex
    @Option(help: "The token's name in what it has signed (EIP-712).")
    var tokenName = "USD Coin"
    @Option(help: "The token's version there.") var tokenVersion = "2"

    /// Signs the authorization, which counts for an hour, and sends the deposit.
    func send(into channel: BatchChannel, _ session: ChainSession, _ what: String) async throws {
        let amount = try ChannelFiles.amount(deposit)
        let collector = try evmAddress(collector)
        guard let salt = Digest(Entropy.bytes(32)) else { return }
        let end = Timestamp.systemNow.nanoseconds / 1_000_000_000 + 3_600
        let digest = channel.depositDigest(
            amount, validAfter: 0, validBefore: end, salt: salt, collector: collector,
            tokenName: tokenName, tokenVersion: tokenVersion)
        let key = try chain.keys.account(in: ChannelFiles.keyFile(chain))
        let data = BatchCall.deposit(
            amount, into: channel, collector: collector,
            collectorData: BatchCall.collectorData(
                validAfter: 0, validBefore: end, salt: salt, signature: key.sign(digest)))
        try session.require(what, await session.sender.send(to: channel.contract, data: data))
    }
}
