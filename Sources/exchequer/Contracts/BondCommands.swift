import ArgumentParser
import Chains
import Primitives

/// `exchequer contracts bond`: what a provider stakes on its honesty.
struct BondCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bond", abstract: "Pay dollars into the sender's bond.")

    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String
    @Option(help: "How many dollars.") var amount: String

    func run() async throws {
        let session = try await ChainSession(chain)
        let settlement = try session.settlement(contract)
        try await session.pay(try dollarUnits(amount), to: settlement, "bond") {
            await settlement.bond($0, from: session.sender)
        }
    }
}

/// `exchequer contracts unbond`: starts the delay after which a bond can be taken out.
struct UnbondCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unbond",
        abstract: "Ask for dollars of the sender's bond back; they stay slashable meanwhile.")

    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String
    @Option(help: "How many dollars.") var amount: String

    func run() async throws {
        let session = try await ChainSession(chain)
        let settlement = try session.settlement(contract)
        try session.finish(
            "unbond",
            await settlement.requestUnbond(try dollarUnits(amount), from: session.sender))
    }
}

/// `exchequer contracts withdraw-bond`: takes out what has waited long enough.
struct WithdrawBondCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "withdraw-bond", abstract: "Take out the bond whose delay is over.")

    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String

    func run() async throws {
        let session = try await ChainSession(chain)
        let settlement = try session.settlement(contract)
        try session.finish("withdraw-bond", await settlement.withdrawBond(from: session.sender))
    }
}
