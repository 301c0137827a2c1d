import ArgumentParser
import Chains
import Clearing
import Cryptography
import Primitives
import Service
import Transport

/// Gas of one operation that settles.
struct GasArgument: ExpressibleByArgument {
    private enum Operation: String, CaseIterable {
        case commit, activate, claim, dispersal, payee, newholder
    }

    static var names: String {
        Operation.allCases.map(\.rawValue).joined(separator: ", ")
    }

    private let operation: Operation
    private let units: UInt64

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, let units = UInt64(parts[1]), (1...100_000_000).contains(units),
            let operation = Operation(rawValue: parts[0])
        else { return nil }
        self.operation = operation
        self.units = units
    }

    func enter(in plan: inout HouseConfiguration.Payouts) {
        switch operation {
        case .commit: plan.gas.commit = units
        case .activate: plan.gas.activate = units
        case .claim: plan.gas.claim = units
        case .dispersal: plan.gas.dispersal = units
        case .payee: plan.gas.payee = units
        case .newholder: plan.newHolderGas = units
        }
    }
}

/// Lamports of one operation of a pool on Solana.
struct LamportsArgument: ExpressibleByArgument {
    private enum Operation: String {
        case commit, activate, claim, record
    }

    private let operation: Operation
    private let units: UInt64

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, let units = UInt64(parts[1]), units <= 1_000_000_000,
            let operation = Operation(rawValue: parts[0])
        else { return nil }
        self.operation = operation
        self.units = units
    }

    func enter(in lamports: inout PoolLamports) {
        switch operation {
        case .commit: lamports.commit = units
        case .activate: lamports.activate = units
        case .claim: lamports.claim = units
        case .record: lamports.record = units
        }
    }
}

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
    @Option(
        help: """
            Gas of an operation where the chain's differs from ours, for a plan: NAME=UNITS with \
            \(GasArgument.names); may be repeated. What a rollup charges beside gas is asked.
            """)
    var gas: [GasArgument] = []
    @Option(
        help: """
            An account of your own to which the paying account may send tokens without the books, \
            and that fills it up, such as your treasury; may be repeated. Whatever else comes or \
            goes is an alert. Name none from which others can take.
            """)
    var treasury: [String] = []
    @Option(
        help: """
            Who else fills the paying account up, such as an exchange, or 0x0000... for a bridge \
            that mints; may be repeated. What the account sends there is an alert still.
            """)
    var topUpFrom: [String] = []
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
    @Option(
        help: """
            When a payment there is told to be made: submitted (enough nodes took it), confirmed \
            or finalized. The books always follow final blocks.
            """)
    var solanaFinality = "finalized"
    @Option(help: "The dollar token on Solana.") var solanaMint: String?
    @Option(
        help: "The file with the key of the account that pays there, unless a signer has it.",
        completion: .file())
    var solanaKey: String?
    @Option(help: "The account that pays there, in base58, if --signer has its key.")
    var solanaSignerKey: String?
    @Option(help: "The most lamports that one transaction there may cost (default: 1000000).")
    var solanaFeeLimit: UInt64?
    @Option(help: "The same in dollars; wants --solana-coin-price.")
    var solanaFeeCap: String?
    @Option(
        help: """
            The most that the transactions of a day (UTC) there may cost, with the accounts that \
            they make, in dollars; wants --solana-coin-price. What is above it waits for the next \
            day (default: 1 SOL).
            """)
    var solanaDayFeeCap: String?
    @Option(help: "What SOL is reckoned at for fee caps there, in dollars.")
    var solanaCoinPrice: String?
    @Option(
        help: """
            A pool of the payout program there, of which the account that pays is the settler \
            (exchequer pool open): a settlement pays by a root of it where that costs fewer \
            lamports than transfers.
            """)
    var solanaPool: String?
    @Option(
        help: """
            What to reckon with for a root there in place of what the cluster asks, in lamports: \
            NAME=UNITS with commit, activate, claim, record; may be repeated.
            """)
    var solanaLamports: [LamportsArgument] = []
    @Option(help: "How many accounts must be due in no lookup table before one is made.")
    var solanaTableThreshold = 20
    @Option(help: "The least dollars of a deposit on Solana that are credited.")
    var solanaMinimumDeposit = "1"
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
            guard solanaRPCURL.isEmpty, treasury.isEmpty, topUpFrom.isEmpty else {
                throw ValidationError(
                    "--solana-rpc-url, --treasury and --top-up-from go with --payouts plan.")
            }
            return nil
        }
        var plan = HouseConfiguration.Payouts()
        switch gasBearing {
        case "house": plan.bearing = .house
        case "everyone": plan.bearing = .everyone
        default: throw ValidationError("--gas-bearing is house or everyone.")
        }
        for argument in gas { argument.enter(in: &plan) }
        plan.treasuries = try treasury.map { try evmAddress($0) }
        guard !plan.treasuries.contains(.zero) else {
            throw ValidationError("--treasury is an account of your own, and not 0x0000....")
        }
        plan.topUps = try topUpFrom.map { try evmAddress($0) }
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

    /// Whoever signs for the account that pays on Solana.
    private func solanaSigner(
        _ signing: SignerOptions, _ keys: KeyOptions
    ) throws -> any SolanaSigner {
        switch (solanaKey, solanaSignerKey) {
        case (let file?, nil): return try ChannelFiles.solanaKey(file, keys)
        case (nil, let account?):
            guard let socket = signing.socket else {
                throw ValidationError("--solana-signer-key goes with --signer.")
            }
            guard let address = SolanaAddress(account) else {
                throw ValidationError("--solana-signer-key is base58 of 32 bytes.")
            }
            return ExternalSolanaSigner(address: address, socket: socket)
        default:
            throw ValidationError(
                "--solana-rpc-url goes with --solana-key or --solana-signer-key, and not both.")
        }
    }

    /// The pool there; `nil` without one.
    private func pool() throws -> SolanaAddress? {
        guard let solanaPool else {
            if solanaLamports.isEmpty { return nil }
            throw ValidationError("--solana-lamports goes with --solana-pool.")
        }
        guard let pool = SolanaAddress(solanaPool) else {
            throw ValidationError("--solana-pool is base58 of 32 bytes.")
        }
        return pool
    }

    /// The Solana cluster; `nil` without one.
    func solana(
        _ signing: SignerOptions, _ keys: KeyOptions
    ) throws -> HouseConfiguration.Solana? {
        guard !solanaRPCURL.isEmpty else {
            if solanaMint != nil || solanaKey != nil || solanaSignerKey != nil
                || solanaFeeCap != nil || solanaDayFeeCap != nil || solanaPool != nil
            {
                throw ValidationError(
                    "--solana-mint, --solana-key, --solana-signer-key, --solana-pool, "
                        + "--solana-fee-cap and --solana-day-fee-cap go with --solana-rpc-url.")
            }
            return nil
        }
        guard let solanaMint else {
            throw ValidationError("--solana-rpc-url goes with --solana-mint.")
        }
        guard let mint = SolanaAddress(solanaMint) else {
            throw ValidationError("--solana-mint is base58 of 32 bytes.")
        }
        var settings = HouseConfiguration.Solana(
            endpoints: solanaRPCURL, mint: mint, key: try solanaSigner(signing, keys))
        settings.namesMint = solanaSignerKey != nil
        settings.quorum = solanaQuorum
        guard let finality = HouseConfiguration.Finality(rawValue: solanaFinality) else {
            throw ValidationError("--solana-finality is submitted, confirmed or finalized.")
        }
        settings.finality = finality
        if solanaDayFeeCap == nil, solanaFeeCap == nil, solanaCoinPrice != nil {
            throw ValidationError(
                "--solana-coin-price goes with --solana-fee-cap and --solana-day-fee-cap.")
        }
        if solanaFeeCap != nil, solanaFeeLimit != nil {
            throw ValidationError("--solana-fee-limit and --solana-fee-cap say the same: give one.")
        }
        if let solanaFeeLimit { settings.feeLimit = solanaFeeLimit }
        let each = try dollarCap(
            solanaFeeCap, "--solana-fee-cap", coinPrice: solanaCoinPrice, "--solana-coin-price",
            unitsPerCoin: 1_000_000_000)
        if let each { settings.feeLimit = UInt64(clamping: each) }
        let limit = try dollarCap(
            solanaDayFeeCap, "--solana-day-fee-cap", coinPrice: solanaCoinPrice,
            "--solana-coin-price", unitsPerCoin: 1_000_000_000)
        if let limit { settings.dayLimit = UInt64(clamping: limit) }
        guard solanaTableThreshold > 0 else {
            throw ValidationError("--solana-table-threshold is at least 1.")
        }
        settings.tableThreshold = solanaTableThreshold
        let least = Asset.usd.parse(solanaMinimumDeposit).map { Asset.usd.chainUnits($0) }
        guard let least = least.flatMap({ UInt64(exactly: $0) }), least > 0 else {
            throw ValidationError("--solana-minimum-deposit is an amount, such as 2.50.")
        }
        settings.minimumDeposit = least
        guard (0...NonceKeeper.most).contains(solanaDurableNonces) else {
            throw ValidationError("--solana-durable-nonces is 0 to \(NonceKeeper.most).")
        }
        settings.durableNonces = solanaDurableNonces
        settings.pool = try pool()
        for argument in solanaLamports { argument.enter(in: &settings.poolLamports) }
        settings.treasuries = try solanaTreasury.map { text in
            guard let owner = SolanaAddress(text) else {
                throw ValidationError("--solana-treasury is base58 of 32 bytes.")
            }
            return owner
        }
        return settings
    }
}
