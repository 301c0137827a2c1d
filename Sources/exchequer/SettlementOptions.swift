import ArgumentParser
import Cryptography
import Primitives
import Service

/// The options of `serve` that say on which chain the house settles, and what that may cost.
struct SettlementOptions: ParsableArguments {
    @Option(
        name: [.customLong("rpc-url"), .customLong("rpc")],
        help: "A JSON-RPC endpoint of the chain; may be repeated.")
    var rpcURL: [String] = []
    @Option(help: "How many endpoints must say the same; more than half if left out.")
    var rpcQuorum: Int?
    @Option(help: "The settlement contract.") var contract: String?
    @Option(help: "The file with the key that settles and slashes.", completion: .file())
    var operatorKey: String?
    @Option(help: "Blocks, its own included, until a log counts.") var confirmations: UInt64 = 12
    @Option(
        help: """
            When the chain is believed: submitted (a node took it), confirmed (so deep as \
            --confirmations) or finalized (the nodes' finalized block).
            """)
    var finality = "confirmed"
    @Option(
        help: "The most that the gas of one transaction may cost, in dollars; wants --coin-price.")
    var feeCap: String?
    @Option(help: "What the chain's own coin is reckoned at for --fee-cap, in dollars.")
    var coinPrice: String?
    @Option(help: "The most that a unit of gas may cost, in gwei: above it nothing new is sent.")
    var gasPriceCap: UInt64 = 500
    @Option(help: "The block the contract was deployed in: nothing before it is read.")
    var startBlock: UInt64 = 0
    @Option(help: "Folder of the contracts' interfaces.") var artifacts = "contracts-abi/evm"

    /// The chain as the options describe it; `nil` without one.
    func settings() throws -> HouseConfiguration.Settlement? {
        guard !rpcURL.isEmpty else {
            if contract != nil || operatorKey != nil {
                throw ValidationError("--contract and --operator-key go with --rpc-url.")
            }
            return nil
        }
        guard let contract, let operatorKey else {
            throw ValidationError("--rpc-url goes with --contract and --operator-key.")
        }
        guard confirmations > 0 else { throw ValidationError("--confirmations is at least 1.") }
        guard let finality = HouseConfiguration.Finality(rawValue: finality) else {
            throw ValidationError("--finality is submitted, confirmed or finalized.")
        }
        guard (1...1_000_000).contains(gasPriceCap) else {
            throw ValidationError("--gas-price-cap is 1 to 1,000,000 gwei.")
        }
        var settings = HouseConfiguration.Settlement(
            endpoints: rpcURL, contract: try evmAddress(contract),
            key: try evmKey(in: operatorKey), confirmations: confirmations,
            startBlock: startBlock, artifacts: artifacts)
        settings.quorum = rpcQuorum
        settings.finality = finality
        settings.maximumFeePerGas = UInt128(gasPriceCap) * 1_000_000_000
        if let limit = try feeLimit() { settings.feeLimit = limit }
        return settings
    }

    /// The cap on fees in wei, rounded down.
    private func feeLimit() throws -> UInt128? {
        guard let feeCap else {
            if coinPrice != nil { throw ValidationError("--coin-price goes with --fee-cap.") }
            return nil
        }
        guard let coinPrice else { throw ValidationError("--fee-cap goes with --coin-price.") }
        guard let cap = Asset.usd.parse(feeCap), let price = Asset.usd.parse(coinPrice),
            !cap.isZero, !price.isZero
        else { throw ValidationError("--fee-cap and --coin-price are amounts, such as 12.50.") }
        let (product, overflow) = cap.units.multipliedReportingOverflow(
            by: 1_000_000_000_000_000_000)
        let limit = product / price.units
        guard !overflow, limit > 0 else {
            throw ValidationError("--fee-cap is beyond what can be reckoned with.")
        }
        return limit
    }
}
