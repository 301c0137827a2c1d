import ArgumentParser
import Chains
import Foundation
import Primitives
import Transport

/// `exchequer channels voucher`: signs, without any chain.
struct ChannelsVoucherCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "voucher",
        abstract: "Sign a voucher for all that was ever paid through a channel.",
        discussion: """
            It needs no chain and costs nothing. The voucher is printed as JSON, in the form that \
            x402 or payment-channels has for it.

            EXAMPLES
              exchequer channels voucher --channel channel.json --key-file my.key --cumulative 1500
            """)

    @Option(help: "File with the channel's terms.", completion: .file()) var channel: String
    @Option(help: "File with the private key of the channel's signer.", completion: .file())
    var keyFile: String
    @OptionGroup var keys: KeyOptions
    @Option(help: "All that was ever paid, in the token's smallest unit.") var cumulative: String
    @Option(help: "Solana: the second since 1970 from which it counts no more; 0 for never.")
    var expires: Int64 = 0
    @Flag(help: "Print one line of JSON.") var json = false

    func run() throws {
        let terms = try ChannelFiles.terms(channel)
        let amount = try ChannelFiles.amount(cumulative)
        let voucher: Voucher
        do {
            switch terms {
            case .batch(let channel):
                if expires != 0 {
                    throw ValidationError("A voucher of an EVM chain never expires.")
                }
                voucher = try channel.voucher(amount, by: try keys.account(in: keyFile))
            case .payment(let channel):
                voucher = try channel.voucher(
                    amount, expiresAt: expires, by: try ChannelFiles.solanaKey(keyFile, keys))
            }
        } catch let refusal as ChannelRefusal {
            throw ChannelFiles.refuse("the voucher", refusal)
        }
        let document = ChannelDocument.json(voucher, of: terms)
        if json { try Console.put(json: document) } else { try Self.show(document) }
    }

    private static func show(_ document: JSONValue) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        Console.put(String(decoding: try encoder.encode(document), as: UTF8.self))
    }
}
