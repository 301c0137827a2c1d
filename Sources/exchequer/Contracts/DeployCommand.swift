import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives

/// `exchequer contracts deploy`: test tokens and the settlement contract on a fresh chain.
struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Deploy two test tokens and the settlement contract.",
        discussion: """
            The sender becomes owner with every role and holds both supplies, of which it pays the \
            TLY reserve into the contract's vault. For a real chain give --usdc and --tly: then \
            roots pay an hour after they are committed, slashes count after a day and roles after \
            two, unless you say otherwise. With test tokens each counts at once.

            EXAMPLES
              exchequer contracts deploy --rpc URL --key-file my.key --out addresses.json
              exchequer contracts deploy --rpc URL --key-file owner.key --usdc 0x.. --tly 0x.. \\
                  --operator-account 0x..
            """)

    @OptionGroup var chain: ChainOptions
    @Option(help: "Seconds a bond takes to leave.") var unbondingDelay: UInt64 = 604_800
    @Option(help: "Seconds in which a root can be disputed (default: 3600 with --usdc, or 0).")
    var activationDelay: UInt64?
    @Option(
        help: """
            Seconds in which a slash can be appealed and vetoed (default: 86400 with --usdc, or 0).
            """)
    var vetoWindow: UInt64?
    @Option(help: "Seconds until granted roles count (default: 172800 with --usdc, or 0).")
    var roleDelay: UInt64?
    @Option(help: "Seconds of silence until anyone may declare the house abandoned.")
    var escapeDelay: UInt64 = 7_776_000
    @Option(help: "The dollar token, if there is one already.") var usdc: String?
    @Option(help: "The incentive token, if there is one already.") var tly: String?
    @Option(help: "TLY paid into the contract as its reserve.") var reserve = "1000000"
    @Option(
        help: "Grant settler and slasher to this account: the house's, which needs no other role.")
    var operatorAccount: String?
    @Option(help: "Also write the addresses to this file.") var out: String?

    struct Addresses: Codable {
        let chain: UInt64
        let contract, vault, usdc, tly: String
    }

    /// What the options say, or what is safe where the dollars are real.
    private var delays: SettlementDelays {
        let isReal = usdc != nil
        return SettlementDelays(
            unbonding: unbondingDelay, activation: activationDelay ?? (isReal ? 3_600 : 0),
            veto: vetoWindow ?? (isReal ? 86_400 : 0), roles: roleDelay ?? (isReal ? 172_800 : 0),
            escape: escapeDelay)
    }

    func run() async throws {
        let delays = delays
        let session = try await ChainSession(chain)
        let usd = try await token(
            session, usdc, name: "USD Coin", symbol: "USDC", version: "2",
            .usd)
        let incentive = try await token(
            session, tly, name: "Tally", symbol: "TLY", version: "1",
            .tly)
        let settlement: SettlementContract
        do {
            settlement = try await SettlementContract.deploy(
                try session.artifact("Exchequer"), vault: try session.artifact("Vault"),
                usd: usd.address, tly: incentive.address,
                delays: delays,
                from: session.sender)
        } catch let error as TransactionError {
            try session.require("deploy", error.outcome)
            throw ExitCode.failure
        }
        guard let amount = Asset.tly.parse(reserve) else {
            throw ValidationError("--reserve is not an amount.")
        }
        let vault = try await settlement.vault()
        try session.require(
            "TLY reserve",
            await incentive.transfer(
                Asset.tly.chainUnits(amount), to: vault, from: session.sender))
        if let operatorAccount {
            let account = try evmAddress(operatorAccount)
            try session.require(
                "roles of \(account.checksummed)",
                await settlement.contract.send(
                    "grantRoles", [.address(account), .uint(UInt128(3))], from: session.sender))
            if delays.roles > 0 {
                Console.say(
                    "the roles count once `exchequer contracts roles enact` was run after "
                        + "\(delays.roles) s")
            }
        }
        let addresses = Addresses(
            chain: session.chain.chainID, contract: settlement.address.hex, vault: vault.hex,
            usdc: usd.address.hex, tly: incentive.address.hex)
        if let out {
            try JSONEncoder().encode(addresses).write(to: URL(fileURLWithPath: out))
        }
        if chain.json {
            try Console.put(json: addresses)
        } else {
            Console.put("contract \(addresses.contract)")
            Console.put("vault    \(addresses.vault)")
            Console.put("usdc     \(addresses.usdc)")
            Console.put("tly      \(addresses.tly)")
        }
    }

    private func token(
        _ session: ChainSession, _ known: String?, name: String, symbol: String, version: String,
        _ asset: Asset
    ) async throws -> TokenContract {
        if let known { return try session.token(try evmAddress(known)) }
        var supply: UInt128 = 1_000_000_000
        for _ in 0..<asset.chainDecimals { supply *= 10 }
        do {
            return try await TokenContract.deploy(
                try session.artifact("Token"), name: name, symbol: symbol, version: version,
                decimals: UInt8(asset.chainDecimals), supply: supply, from: session.sender)
        } catch let error as TransactionError {
            try session.require("deploy \(symbol)", error.outcome)
            throw ExitCode.failure
        }
    }
}

/// `exchequer contracts send`: a plain token transfer, for funding test accounts.
struct SendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Send dollars of a token to an address.")

    @OptionGroup var chain: ChainOptions
    @Option(help: "The token.") var token: String
    @Option(help: "Who gets them.") var to: String
    @Option(help: "How many dollars.") var amount: String

    func run() async throws {
        let session = try await ChainSession(chain)
        let contract = try session.token(try evmAddress(token))
        try session.require(
            "send",
            await contract.transfer(
                try dollarUnits(amount), to: try evmAddress(to), from: session.sender))
    }
}
