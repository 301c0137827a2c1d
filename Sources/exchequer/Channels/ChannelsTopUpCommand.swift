import ArgumentParser
import Chains
import Foundation
import Primitives
import Transport

/// `exchequer channels top-up`: adds to a deposit.
struct ChannelsTopUpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top-up",
        abstract: "Add to a channel's deposit.",
        discussion: """
            EXAMPLES
              exchequer channels top-up --channel channel.json --rpc URL --key-file my.key \
            --deposit 1000000
            """)

    @OptionGroup var options: EVMDepositOptions
    @Option(help: "File with the channel's terms.", completion: .file()) var channel: String

    func run() async throws {
        switch try ChannelFiles.terms(channel) {
        case .batch(let channel):
            let session = try await ChainSession(options.chain)
            guard session.chain.chainID == channel.chainID else {
                throw ChannelFiles.refuse(options.chain.rpc, .wrongDomain)
            }
            guard session.sender.address == channel.config.payer else {
                throw ChannelFiles.refuse(
                    try ChannelFiles.keyFile(options.chain), .wrongSigner)
            }
            try await options.send(into: channel, session, "top-up")
        case .payment(let channel):
            let key = try ChannelFiles.solanaKey(
                ChannelFiles.keyFile(options.chain), options.chain.keys)
            try await ChannelChain.send(
                [channel.topUp(try ChannelFiles.amount64(options.deposit))], "top-up",
                rpc: options.chain.rpc, payer: key)
        }
    }
}
