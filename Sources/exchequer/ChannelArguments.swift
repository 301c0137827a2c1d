import ArgumentParser
import Chains
import Clearing
import Primitives
import Service

/// The options of `serve` about payment channels to payees.
struct ChannelArguments: ParsableArguments {
    @Flag(
        help: """
            Open payment channels to payees who ask for one and for whom it is worth the gas, and \
            pay them by voucher; goes with --payouts plan.
            """)
    var channels = false
    @Option(help: "What is deposited in a channel for vouchers to come, in dollars.")
    var channelDeposit = "100"
    @Option(help: "From how little on it is filled up again, in dollars; a quarter if left out.")
    var channelRefill: String?
    @Option(help: "How many settlements must have sent a payee money before it gets a channel.")
    var channelAfter = 3
    @Option(help: "The contract of x402BatchSettlement.")
    var channelContract = BatchChannel.standardContract.hex
    @Option(help: "The contract that fetches deposits (EIP-3009).")
    var channelCollector = BatchChannel.standardCollector.hex
    @Option(help: "Seconds until unclaimed money can be taken back: 900 to 2592000.")
    var channelWithdrawDelay: UInt64 = 86_400

    /// The channels as the options describe them; `nil` if none are opened.
    func settings() throws -> HouseConfiguration.Channels? {
        guard channels else { return nil }
        var settings = HouseConfiguration.Channels()
        guard let deposit = Asset.usd.parse(channelDeposit), Asset.usd.chainUnits(deposit) > 0
        else { throw ValidationError("--channel-deposit is an amount, such as 100.") }
        settings.deposit = deposit
        settings.refill = Amount(deposit.units / 4)
        if let channelRefill {
            guard let refill = Asset.usd.parse(channelRefill), refill < deposit else {
                throw ValidationError("--channel-refill is an amount below --channel-deposit.")
            }
            settings.refill = refill
        }
        guard channelAfter > 0 else {
            throw ValidationError("--channel-after is at least 1.")
        }
        guard BatchChannel.delays.contains(channelWithdrawDelay) else {
            throw ValidationError("--channel-withdraw-delay is 900 to 2592000 seconds.")
        }
        settings.minimumHistory = channelAfter
        settings.contract = try evmAddress(channelContract)
        settings.collector = try evmAddress(channelCollector)
        settings.withdrawDelay = channelWithdrawDelay
        return settings
    }
}
