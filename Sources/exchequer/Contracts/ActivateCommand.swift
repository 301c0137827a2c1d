import ArgumentParser
import Chains
import Foundation

/// `exchequer contracts activate`: makes the last committed root the one that pays.
struct ActivateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activate",
        abstract: "Make the last committed root pay, once its delay is over.",
        discussion: """
            Anyone may: what the contract wants to be told is read from its own log. Does nothing \
            if no root waits.
            """)

    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String
    @Option(help: "The block the contract was deployed in, where reading its log ends.")
    var startBlock: UInt64 = 0

    func run() async throws {
        let session = try await ChainSession(chain)
        let settlement = try session.settlement(contract)
        do {
            guard try await settlement.isRootWaiting() else {
                Console.say("no root waits")
                return
            }
            guard let root = try await settlement.lastCommittedRoot(downTo: startBlock) else {
                Console.say("no root was committed since block \(startBlock)")
                throw Exit.configuration
            }
            try session.finish(
                "root of batch \(root.batch)",
                await settlement.activate(root, from: session.sender))
        } catch let error as ChainError {
            Console.say("the chain does not answer: \(error)")
            throw Exit.network
        }
    }
}
