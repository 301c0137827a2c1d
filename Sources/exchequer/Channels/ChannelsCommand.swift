import ArgumentParser

/// `exchequer channels`: payment channels with cumulative vouchers, on EVM chains and on Solana.
struct ChannelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "channels",
        abstract: "Open payment channels, sign and take vouchers, claim and close.",
        discussion: """
            A payer escrows a deposit once; from then on it pays by vouchers, each for all that \
            was ever paid, which cost nothing. The receiver keeps the best one of each channel and \
            claims many together. On EVM chains by x402BatchSettlement, on Solana by the \
            payment-channels program. Amounts are in the token's smallest unit.

            EXAMPLES
              exchequer channels open evm --rpc URL --key-file my.key --receiver 0x.. --token 0x.. \
            --deposit 5000000 --out channel.json
              exchequer channels open solana --rpc URL --key-file my.key --payee ADDRESS --mint \
            ADDRESS --deposit 5000000 --out channel.json
              exchequer channels voucher --channel channel.json --key-file my.key --cumulative 1500
              exchequer channels accept --store shop --channel channel.json --rpc URL \
            --voucher v.json
              exchequer channels show --store shop
              exchequer channels claim --store shop --rpc URL --key-file shop.key
              exchequer channels table make --store shop --rpc URL --key-file shop.key
              exchequer channels close --channel channel.json --rpc URL --key-file my.key
            """,
        subcommands: [
            ChannelsOpenCommand.self, ChannelsTopUpCommand.self, ChannelsVoucherCommand.self,
            ChannelsAcceptCommand.self, ChannelsShowCommand.self, ChannelsClaimCommand.self,
            ChannelsTableCommand.self, ChannelsCloseCommand.self,
        ])
}
