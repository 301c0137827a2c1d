import ArgumentParser
import Chains
import Clearing
import Cryptography
import Primitives
import Service
import Transport

/// The options of `serve` that say how payees are paid.
struct PayoutArguments: ParsableArguments {
    @Option(
        help: """
            How a settlement pays: root (everybody claims) or plan (whatever is cheapest; the \
            account of --operator-key sends its own tokens and takes over the claims).
            """)
    var payouts = "root"
    @Option(help: "Whose gas counts for a plan: house, or everyone (the claims too).")
    var gasBearing = "house"
    @Option(help: "How many batches a payee lets pass between two claims, for a plan.")
    var batchesPerClaim: UInt16 = 1
    @Option(help: "The least that is sent, or that calls for a root, in whole coins.")
    var minimumPayout = "0.01"
    @Option(help: "From how much on the sender's own claims call for a root, in whole coins.")
    var refundAbove = "100"
    @Option(
        name: .customLong("solana-rpc-url"),
        help: "A JSON-RPC endpoint of a Solana cluster; may be repeated.")
    var solanaRPCURL: [String] = []
    @Option(help: "How many of them must say the same; more than half if left out.")
    var solanaQuorum: Int?
    @Option(help: "The dollar token on Solana.") var solanaMint: String?
    @Option(help: "The file with the key of the account that pays there.", completion: .file())
    var solanaKey: String?
    @Option(help: "The most lamports that one transaction there may cost.")
    var solanaFeeLimit: UInt64 = 1_000_000
    @Option(
        help: """
            The most that the transactions of a day (UTC) there may cost, with the accounts that \
            they make, in dollars; wants --solana-coin-price. What is above it waits for the next \
            day.
            """)
    var solanaDayFeeCap: String?
    @Option(help: "What SOL is reckoned at for --solana-day-fee-cap, in dollars.")
    var solanaCoinPrice: String?
    @Option(help: "How many accounts must be due in no lookup table before one is made.")
    var solanaTableThreshold = 20
    @Option(
        help: """
            How many durable nonces payments there use, 0 to 64: with them a payment outlives its \
            blockhash, and can be sent again at a higher price.
            """)
    var solanaDurableNonces = 0
    @Option(
        help: """
            An owner on Solana whose transfers to and from the paying account are the house's own; \
            may be repeated.
            """)
    var solanaTreasury: [String] = []

    /// How the house pays as the options describe it; `nil` if everything is a leaf of a root.
    func plan() throws -> HouseConfiguration.Payouts? {
        guard ["root", "plan"].contains(payouts) else {
            throw ValidationError("--payouts is root or plan.")
        }
        guard payouts == "plan" else {
            guard solanaRPCURL.isEmpty else {
                throw ValidationError("--solana-rpc-url goes with --payouts plan.")
            }
            return nil
        }
        var plan = HouseConfiguration.Payouts()
        switch gasBearing {
        case "house": plan.bearing = .house
        case "everyone": plan.bearing = .everyone
        default: throw ValidationError("--gas-bearing is house or everyone.")
        }
        guard batchesPerClaim > 0 else {
            throw ValidationError("--batches-per-claim is at least 1.")
        }
        plan.batchesPerClaim = batchesPerClaim
        plan.minimum = try sums(minimumPayout, "--minimum-payout")
        plan.refundAbove = try sums(refundAbove, "--refund-above")
        return plan
    }

    private func sums(_ text: String, _ name: String) throws -> AssetSums {
        guard let usd = Asset.usd.parse(text), let tly = Asset.tly.parse(text) else {
            throw ValidationError("\(name) is an amount, such as 12.50.")
        }
        return AssetSums(usd: usd, tly: tly)
    }

    /// The Solana cluster; `nil` without one.
    func solana() throws -> HouseConfiguration.Solana? {
        guard !solanaRPCURL.isEmpty else {
            if solanaMint != nil || solanaKey != nil || solanaDayFeeCap != nil {
                throw ValidationError(
                    "--solana-mint, --solana-key and --solana-day-fee-cap go with "
                        + "--solana-rpc-url.")
            }
            return nil
        }
        guard let solanaMint, let solanaKey else {
            throw ValidationError("--solana-rpc-url goes with --solana-mint and --solana-key.")
        }
        guard let mint = SolanaAddress(solanaMint) else {
            throw ValidationError("--solana-mint is base58 of 32 bytes.")
        }
        var settings = HouseConfiguration.Solana(
            endpoints: solanaRPCURL, mint: mint, key: try ed25519Key(in: solanaKey))
        settings.quorum = solanaQuorum
        settings.feeLimit = solanaFeeLimit
        if solanaDayFeeCap == nil, solanaCoinPrice != nil {
            throw ValidationError("--solana-coin-price goes with --solana-day-fee-cap.")
        }
        let limit = try dollarCap(
            solanaDayFeeCap, "--solana-day-fee-cap", coinPrice: solanaCoinPrice,
            "--solana-coin-price", unitsPerCoin: 1_000_000_000)
        if let limit { settings.dayLimit = UInt64(clamping: limit) }
        guard solanaTableThreshold > 0 else {
            throw ValidationError("--solana-table-threshold is at least 1.")
        }
        settings.tableThreshold = solanaTableThreshold
        guard (0...NonceKeeper.most).contains(solanaDurableNonces) else {
            throw ValidationError("--solana-durable-nonces is 0 to \(NonceKeeper.most).")
        }
        settings.durableNonces = solanaDurableNonces
        settings.treasuries = try solanaTreasury.map { text in
            guard let owner = SolanaAddress(text) else {
                throw ValidationError("--solana-treasury is base58 of 32 bytes.")
            }
            return owner
        }
        return settings
    }
}

/// Reads an Ed25519 key, or says what is wrong with its file.
func ed25519Key(in path: String) throws -> Ed25519.PrivateKey {
    do {
        if let key = Ed25519.PrivateKey(seed: try SecretFile.read(path)) { return key }
        Console.say("\(path) does not hold an Ed25519 seed")
    } catch {
        Console.say("\(error)")
    }
    throw Exit.configuration
}
