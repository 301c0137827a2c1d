import ArgumentParser
import Chains
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
    @Option(
        help: "The file with the key that settles and slashes, unless a signer has it.",
        completion: .file())
    var operatorKey: String?
    @OptionGroup var signing: SignerOptions
    @Option(
        help: """
            The file with a key that did so before, until nothing of it is under way; may be \
            repeated.
            """,
        completion: .file())
    var retiringKey: [String] = []
    @Option(help: "The account of the signer's that did so before; may be repeated.")
    var retiringSignerKey: [String] = []
    @Flag(help: "Take a key with more roles on the contract than it needs: on chains for trying.")
    var anyRoles = false
    @Option(help: "Blocks, its own included, until a log counts.") var confirmations: UInt64 = 12
    @Option(
        help: """
            When the chain is believed: submitted (a node took it), confirmed (so deep as \
            --confirmations) or finalized (the nodes' finalized block).
            """)
    var finality = "confirmed"
    @Option(
        help: """
            The most that the gas of one transaction may cost, in dollars; wants --coin-price. A \
            twentieth of a coin if left out.
            """)
    var feeCap: String?
    @Option(
        help: """
            The most that the gas of all transactions of a day (UTC) may cost, in dollars; wants \
            --coin-price. What is above it waits for the next day. A coin if left out, or twenty \
            times --fee-cap if that is more.
            """)
    var dayFeeCap: String?
    @Option(
        help: """
            What the chain's own coin is reckoned at for --fee-cap and --day-fee-cap, in dollars.
            """)
    var coinPrice: String?
    @Option(help: "The most that a unit of gas may cost, in gwei: above it nothing new is sent.")
    var gasPriceCap: UInt64 = 500
    @Option(help: "The block the contract was deployed in: nothing before it is read.")
    var startBlock: UInt64 = 0
    @Option(help: "Folder of the contracts' interfaces.") var artifacts = "contracts-abi/evm"

    /// The chain as the options describe it; `nil` without one.
    ///
    /// - Parameter sharesSigner: whether the signer is there for another chain's key anyway.
    func settings(
        _ keys: KeyOptions, sharesSigner: Bool
    ) throws -> HouseConfiguration.Settlement? {
        guard !rpcURL.isEmpty else {
            if contract != nil || operatorKey != nil || signing.signer != nil {
                throw ValidationError("--contract, --operator-key and --signer go with --rpc-url.")
            }
            return nil
        }
        guard let contract else {
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
            key: try signing.signer(
                operatorKey, "--operator-key", keys, isShared: sharesSigner),
            confirmations: confirmations,
            startBlock: startBlock, artifacts: artifacts)
        settings.quorum = rpcQuorum
        settings.finality = finality
        settings.maximumFeePerGas = UInt128(gasPriceCap) * 1_000_000_000
        settings.allowsAnyRoles = anyRoles
        settings.retiring = try retiring(keys)
        if feeCap == nil, dayFeeCap == nil, coinPrice != nil {
            throw ValidationError("--coin-price goes with --fee-cap or --day-fee-cap.")
        }
        if let limit = try wei(feeCap, "--fee-cap") {
            settings.feeLimit = limit
            // Not so little that none of them could be sent.
            settings.dayLimit = max(settings.dayLimit, limit > .max / 20 ? .max : 20 * limit)
        }
        if let limit = try wei(dayFeeCap, "--day-fee-cap") { settings.dayLimit = limit }
        return settings
    }

    private func retiring(_ keys: KeyOptions) throws -> [any EVMSigner] {
        let files: [any EVMSigner] = try retiringKey.map { try keys.account(in: $0) }
        guard !retiringSignerKey.isEmpty else { return files }
        guard let socket = signing.socket else {
            throw ValidationError("--retiring-signer-key goes with --signer.")
        }
        return try files
            + retiringSignerKey.map {
                ExternalEVMSigner(address: try evmAddress($0), socket: socket)
            }
    }

    /// A cap on fees in wei.
    private func wei(_ text: String?, _ option: String) throws -> UInt128? {
        try dollarCap(
            text, option, coinPrice: coinPrice, "--coin-price",
            unitsPerCoin: 1_000_000_000_000_000_000)
    }
}
